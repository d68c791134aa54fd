-- name: rollups_lock
-- Wait for every transaction that writes clicks and rollups, a second at most; hold off new ones.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', '1s', true))
SELECT pg_advisory_xact_lock(%(rollups)s) FROM patience

-- name: rollups_pin
-- No month of clicks comes or goes until this transaction ends.
-- A query looks up which partitions there are and then waits for their locks: meanwhile rows may move
-- from the default one to a new one, which it will not read. Locked first, they are looked up after.
LOCK TABLE clicks IN ACCESS SHARE MODE

-- name: rollups_rebuild
-- Rollups become what the clicks say; rows that are right already are not touched.
WITH counted AS (
    SELECT link_id, date_trunc('hour', occurred_at, 'UTC') AS hour, count(*) AS clicks
    FROM clicks
    GROUP BY 1, 2
), surplus AS (
    DELETE FROM clicks_hourly
    WHERE NOT EXISTS (
        SELECT FROM counted
        WHERE counted.link_id = clicks_hourly.link_id AND counted.hour = clicks_hourly.hour
    )
    RETURNING 1
), mended AS (
    INSERT INTO clicks_hourly (link_id, hour, clicks)
    SELECT link_id, hour, clicks FROM counted ORDER BY link_id, hour
    ON CONFLICT (link_id, hour) DO UPDATE SET clicks = excluded.clicks
    WHERE clicks_hourly.clicks IS DISTINCT FROM excluded.clicks
    RETURNING 1
)
SELECT (SELECT count(*) FROM surplus) + (SELECT count(*) FROM mended)

-- name: rollups_share
-- Keep rollups_lock waiting until this transaction ends.
SELECT pg_advisory_xact_lock_shared(%(rollups)s)

-- name: rollups_verify
-- Hours in which rollups and clicks differ.
SELECT coalesce(rollup.link_id, counted.link_id) AS link_id,
       coalesce(rollup.hour, counted.hour) AS hour,
       coalesce(rollup.clicks, 0) AS rollup,
       coalesce(counted.clicks, 0) AS clicks
FROM clicks_hourly AS rollup
FULL JOIN (
    SELECT link_id, date_trunc('hour', occurred_at, 'UTC') AS hour, count(*) AS clicks
    FROM clicks
    GROUP BY 1, 2
) AS counted ON counted.link_id = rollup.link_id AND counted.hour = rollup.hour
WHERE rollup.clicks IS DISTINCT FROM counted.clicks
ORDER BY 1, 2

-- name: verification_record
-- When rollups were last compared with clicks, and how many hours differed.
INSERT INTO verifications (at, differences) VALUES (now(), %(differences)s)
ON CONFLICT (only_one) DO UPDATE SET at = excluded.at, differences = excluded.differences
