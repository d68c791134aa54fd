-- name: clicks_move
-- Due events become clicks; the rollup grows by the rows that were really inserted.
-- Counting the batch instead would count an event twice that a retried COMMIT brought twice.
-- Sorted by key throughout: two relays that meet on a row wait for each other in one order.
WITH claimed AS (
    SELECT ctid AS tuple, available_at, id
    FROM outbox
    WHERE available_at <= now()
      AND (available_at, id) >= (%(since)s::timestamptz, %(since_id)s::bigint)
      -- Those that have failed before go by themselves: see clicks_move_each.
      AND attempts = 0
      -- Held to the end of the transaction: see rollups_lock, which waits for batches in flight.
      AND (SELECT pg_advisory_xact_lock_shared(%(rollups)s) IS NOT NULL)
    ORDER BY available_at, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), event AS (
    -- By physical place, which the lock just taken keeps valid: no index is read, and no stale
    -- statistics can talk the planner into reading the whole table.
    -- After a batch was refused, those that break a CHECK, or resemble what was refused, are left
    -- where they are.
    DELETE FROM outbox
    WHERE ctid = ANY (
        CASE WHEN %(fit)s
             THEN ARRAY(SELECT clicks_fit(ARRAY(SELECT tuple FROM claimed), %(avoided)s::bigint[]))
             ELSE ARRAY(SELECT tuple FROM claimed) END
    )
    RETURNING message_id, link_id, occurred_at, referrer, user_agent
), live AS (
    -- An event whose link was deleted meanwhile goes with it.
    SELECT event.* FROM event JOIN links ON links.id = event.link_id
), click AS (
    INSERT INTO clicks (message_id, link_id, occurred_at, referrer, user_agent)
    SELECT message_id, link_id, occurred_at, referrer, user_agent
    FROM live
    ORDER BY message_id
    ON CONFLICT (message_id) DO NOTHING
    RETURNING message_id, link_id, occurred_at
), hour AS (
    SELECT link_id, date_trunc('hour', occurred_at, 'UTC') AS hour, count(*) AS clicks
    FROM click
    GROUP BY 1, 2
), rollup AS (
    INSERT INTO clicks_hourly (link_id, hour, clicks)
    SELECT link_id, hour, clicks FROM hour ORDER BY link_id, hour
    ON CONFLICT (link_id, hour) DO UPDATE SET clicks = clicks_hourly.clicks + excluded.clicks
), risen AS (
    -- A dead letter whose click arrives after all, by a retried COMMIT, is not dead.
    DELETE FROM dead_letters USING click WHERE dead_letters.message_id = click.message_id
), last AS (
    SELECT available_at, id FROM claimed ORDER BY available_at DESC, id DESC LIMIT 1
), margin AS (
    SELECT now() - make_interval(secs => %(margin)s) AS begins
)
SELECT batch.claimed, batch.moved, batch.live - batch.moved AS duplicates,
       batch.events - batch.live AS orphans, batch.claimed - batch.events AS left_out,
       EXISTS (SELECT FROM outbox WHERE available_at <= now() AND attempts > 0) AS suspects_due,
       -- Where the next claim may begin, as text: an instant may lie outside a client's calendar.
       -- After a full batch right behind it: what commits late meanwhile is left to a sweep. After a
       -- short one a little before now, so that what commits late is found by the next look.
       CASE WHEN batch.claimed = %(limit)s THEN last.available_at ELSE margin.begins END::text
           AS seen,
       CASE WHEN batch.claimed = %(limit)s THEN last.id ELSE 0 END AS seen_id
FROM margin
CROSS JOIN (
    SELECT (SELECT count(*) FROM claimed) AS claimed,
           (SELECT count(*) FROM event) AS events,
           (SELECT count(*) FROM live) AS live,
           (SELECT count(*) FROM click) AS moved
) AS batch
LEFT JOIN last ON true

-- name: clicks_move_each
-- The same for events that are locked already, each for itself: what one does undoes no other.
SELECT message_id, outcome, code, error, traits FROM clicks_move_each(%(message_ids)s::uuid[])

-- name: clicks_months_missing
-- The months from last month to some months ahead that have no partition: 2026-11, the oldest first.
-- Months are added on the UTC calendar: on a session's own, behind UTC, one could be left out.
SELECT to_char(month, 'YYYY-MM')
FROM (
    SELECT date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead) AS month
    FROM generate_series(-1, %(months_ahead)s::int) AS ahead
) AS wanted
WHERE NOT EXISTS (
    SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'clicks'::regclass AND relname = 'clicks_' || to_char(month, 'YYYY_MM')
)
ORDER BY month

-- name: clicks_month_make
-- The partition of a month; false when a table of its name is there already.
-- A month waits for whoever reads clicks, and readers that come later wait for it: not for long.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '1s', true))
SELECT clicks_partition_make((%(month)s::text || '-01 00:00+00')::timestamptz) FROM patience
