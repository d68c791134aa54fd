"""The consumer: `python -m relay`.

What it promises: each event of the outbox ends in `clicks` exactly once, or in `dead_letters`
with the reason.

    watcher   every 100 ms: is an event due? then one PgQueuer job `move_clicks`, if none is queued
    consumer  PgQueuer hands the job to whichever relay is free
    mover     batch after batch until a short one, each in one transaction:

        claim       SELECT … FOR UPDATE SKIP LOCKED          several relays never meet
        handle      one event's failure is its own
        move        outbox → clicks, ON CONFLICT DO NOTHING  at least once in, once counted
                    clicks_hourly += the rows just inserted  rollups equal clicks
        retry       attempt + 1, due again after a doubling delay
        bury        past the cap: outbox → dead_letters, in one statement

A killed relay's locks go with its connection: nothing waits for a lease to run out.
"""
