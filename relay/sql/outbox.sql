-- name: outbox_backlog
-- How much waits, how old the oldest of it is, when the next deferred event is due.
-- What waits longer than any backoff is due: see outbox_recall.
SELECT count(*) FILTER (WHERE NOT waits) AS due,
       count(*) FILTER (WHERE waits) AS deferred,
       extract(epoch FROM now() - min(least(occurred_at, now())))::float8 AS oldest,
       extract(epoch FROM min(available_at) FILTER (WHERE waits) - now())::float8 AS next_due,
       (SELECT count(*) FROM dead_letters) AS dead_letters
FROM (
    SELECT occurred_at, available_at,
           available_at > now() AND available_at <= now() + make_interval(
               secs => (%(waits)s::float8[])[least(attempts + 1, %(last)s)]
           ) AS waits
    FROM outbox
) AS event

-- name: outbox_bury
-- Events that failed for the last time become dead letters in the statement that removes them.
WITH failure AS (
    SELECT * FROM unnest(
        %(message_ids)s::uuid[], %(attempts)s::int[], %(error_classes)s::text[],
        %(error_messages)s::text[]
    ) AS failure (message_id, attempts, error_class, error_message)
), event AS (
    DELETE FROM outbox USING failure
    WHERE outbox.message_id = failure.message_id AND outbox.attempts = failure.attempts
    RETURNING outbox.*, failure.error_class, failure.error_message
)
INSERT INTO dead_letters (
    message_id, link_id, occurred_at, event, attempts,
    error_class, error_message, first_failed_at, dead_at
)
SELECT message_id, link_id, occurred_at,
       jsonb_build_object(
           'message_id', message_id, 'link_id', link_id, 'occurred_at', occurred_at,
           'referrer', referrer, 'user_agent', user_agent
       ),
       attempts + 1, error_class, error_message,
       coalesce(first_failed_at, clock_timestamp()), clock_timestamp()
FROM event
-- A deleted link takes its events with it; an event that was counted after all is not dead.
WHERE EXISTS (SELECT FROM links WHERE links.id = event.link_id)
  AND NOT EXISTS (SELECT FROM clicks WHERE clicks.message_id = event.message_id)
ON CONFLICT (message_id) DO NOTHING

-- name: outbox_claim_fresh
-- Due events that have never failed, oldest first, locked for this transaction.
SELECT message_id, link_id, attempts, available_at::text AS due_at, id
FROM outbox
WHERE available_at <= now() AND attempts = 0
  AND (available_at, id) >= (%(since)s::timestamptz, %(since_id)s::bigint)
ORDER BY available_at, id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: outbox_claim_suspects
-- Due events that have failed before, likewise. An index of their own makes that cheap.
SELECT message_id, link_id, attempts, available_at::text AS due_at, id
FROM outbox
WHERE available_at <= now() AND attempts > 0
  AND (available_at, id) >= (%(since)s::timestamptz, %(since_id)s::bigint)
ORDER BY available_at, id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: outbox_suspects_due
-- Whether events that have failed before are due.
SELECT EXISTS (SELECT FROM outbox WHERE available_at <= now() AND attempts > 0)

-- name: outbox_set_aside
-- Due again after a delay; the error is noted, but costs no attempt.
UPDATE outbox
SET available_at = clock_timestamp() + make_interval(secs => failure.delay),
    last_error = failure.error_class || ': ' || failure.error_message
FROM unnest(
    %(message_ids)s::uuid[], %(error_classes)s::text[], %(error_messages)s::text[],
    %(delays)s::float8[]
) AS failure (message_id, error_class, error_message, delay)
WHERE outbox.message_id = failure.message_id

-- name: outbox_retry
-- One attempt more, and due again after a delay; unless another relay has charged it meanwhile.
UPDATE outbox
SET attempts = outbox.attempts + 1,
    available_at = clock_timestamp() + make_interval(secs => failure.delay),
    first_failed_at = coalesce(first_failed_at, clock_timestamp()),
    last_error = failure.error_class || ': ' || failure.error_message
FROM unnest(
    %(message_ids)s::uuid[], %(attempts)s::int[], %(error_classes)s::text[],
    %(error_messages)s::text[], %(delays)s::float8[]
) AS failure (message_id, attempts, error_class, error_message, delay)
WHERE outbox.message_id = failure.message_id AND outbox.attempts = failure.attempts

-- name: outbox_recall
-- Events that wait longer than any backoff are due now: the clock has been set back since they were
-- given their time. An event that has not failed waits no longer than it steps aside for.
UPDATE outbox SET available_at = now()
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM outbox
    WHERE available_at > now() + make_interval(secs => (%(waits)s::float8[])[1])
      AND available_at > now() + make_interval(
          secs => (%(waits)s::float8[])[least(attempts + 1, %(last)s)]
      )
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))

-- name: outbox_work
-- What there is to do, and whether a job for it is queued already.
SELECT EXISTS (
           SELECT FROM outbox
           WHERE available_at <= now()
             AND (available_at, id) >= (%(since)s::timestamptz, %(since_id)s::bigint)
       ) AS events_due,
       -- A job that is due later, by a clock that was set back, is taken by nobody now.
       EXISTS (SELECT FROM pgqueuer WHERE entrypoint = 'move_clicks' AND status = 'queued'
                                      AND execute_after <= now())
           AS move_queued,
       EXISTS (
           SELECT FROM deleted_links
           WHERE purged_at IS NULL OR deleted_at < now() - interval '1 minute'
       ) AS links_deleted,
       EXISTS (SELECT FROM pgqueuer WHERE entrypoint = 'purge_links' AND status = 'queued'
                                      AND execute_after <= now())
           AS purge_queued,
       (now() - make_interval(secs => %(margin)s))::text AS seen
