"""All that service and relay must agree on: if they disagreed about it, the pipeline would break.

An event's life:

    service ──insert──▶ outbox ──claim, one transaction──▶ clicks + clicks_hourly    (counted once)
                          ▲ │
       backoff, attempt+1 │ └──attempts reach the cap──▶ dead_letters
                          └──────────────replay, same message_id──┘

Delivery is at least once; the write is idempotent on `message_id`. Together: each acknowledged
click stands in `clicks` exactly once, or in `dead_letters` with the reason.

To add a field to the event: a `pre` migration adds the nullable column to `outbox` and `clicks`,
then the service writes it, then the relay moves it.
"""
