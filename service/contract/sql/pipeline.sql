-- name: pipeline_glance
-- When a relay was last seen, and the age of the first event by message_id: two index probes.
SELECT (SELECT extract(epoch FROM now() - max(seen_at))::float8 FROM relays
        WHERE seen_at <= now() + interval '15 s') AS relay_seen,
       (SELECT greatest(extract(epoch FROM now() - occurred_at), 0)::float8
        FROM outbox ORDER BY message_id LIMIT 1) AS oldest

-- name: pipeline_state
-- How the pipeline stands, at a bounded cost: counts end at a limit. Beyond it the oldest event is the
-- first by message_id, which orders by time.
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT %(limit)s) AS event) AS waiting,
       (
           SELECT coalesce(extract(epoch FROM now() - min(least(occurred_at, now()))), 0)::float8
           FROM (
               (SELECT occurred_at FROM outbox LIMIT %(limit)s)
               UNION ALL (SELECT occurred_at FROM outbox ORDER BY message_id LIMIT 1)
           ) AS event
       ) AS oldest,
       (SELECT count(*) FROM (SELECT FROM dead_letters LIMIT %(limit)s) AS letter) AS dead_letters,
       relay.alive AS relays, relay.seen AS relay_seen, relay.progress AS relay_progress,
       (SELECT count(*) FROM (SELECT FROM clicks_hourly WHERE hour > now() LIMIT %(limit)s) AS future)
           AS future_hours,
       -- Of other roles' sessions the wait is not shown; the service's own are the ones that matter.
       (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'SyncRep') AS replication_waits,
       (SELECT extract(epoch FROM now() - at)::float8 FROM verifications) AS verify_age,
       (SELECT differences FROM verifications) AS verify_differences,
       extract(epoch FROM clock_timestamp())::float8 - %(clock)s::float8 AS clock_offset
FROM (
    -- What a clock that was ahead has written does not count.
    SELECT count(*) FILTER (
               WHERE stopped_at IS NULL AND seen_at > now() - make_interval(secs => %(silent)s)
           ) AS alive,
           extract(epoch FROM now() - max(seen_at))::float8 AS seen,
           extract(epoch FROM now() - max(progress_at))::float8 AS progress
    FROM relays
    WHERE seen_at < now() + make_interval(secs => %(silent)s)
) AS relay
