-- name: clicks_move
-- Claimed events become clicks; the rollup grows by the rows that were really inserted.
-- Counting the batch instead would count an event twice that a retried COMMIT brought twice.
-- Sorted by key throughout: two relays that meet on a row wait for each other in one order.
WITH event AS (
    DELETE FROM outbox
    WHERE message_id = ANY(%(message_ids)s::uuid[])
    RETURNING message_id, link_id, occurred_at, attempts, referrer, user_agent
), live AS (
    -- An event whose link was deleted meanwhile goes with it.
    SELECT event.* FROM event JOIN links ON links.id = event.link_id
), click AS (
    INSERT INTO clicks (message_id, link_id, occurred_at, attempts, referrer, user_agent)
    SELECT message_id, link_id, occurred_at, attempts + 1, referrer, user_agent
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
)
SELECT (SELECT count(*) FROM event) AS removed,
       (SELECT count(*) FROM click) AS moved,
       (SELECT count(*) FROM event) - (SELECT count(*) FROM live) AS orphans

-- name: clicks_partitions
-- The monthly partitions from last month to some months ahead, made where missing.
-- Months are added on the UTC calendar: on a session's own, behind UTC, one could be left out.
SELECT count(*) FILTER (WHERE clicks_partition_make(
    (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))
        AT TIME ZONE 'UTC'
))
FROM generate_series(-1, %(months_ahead)s::int) AS ahead
