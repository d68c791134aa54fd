-- name: stage_clear
-- Empty tables, as small as they were on the first day.
TRUNCATE outbox, clicks, clicks_hourly, dead_letters, deleted_links, links,
         pgqueuer, pgqueuer_log, pgqueuer_statistics RESTART IDENTITY

-- name: stage_busy
-- Other sessions that are at work.
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
  AND state <> 'idle' AND pid <> pg_backend_pid()

-- name: stage_partitions
-- The partitions a relay makes ahead: clicks go where they go in production.
SELECT count(*) FILTER (WHERE clicks_partition_make(
    (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))
        AT TIME ZONE 'UTC'
))
FROM generate_series(-%(months_back)s::int, 1) AS ahead

-- name: stage_links
-- Links b1, b2, …, that anybody may follow.
INSERT INTO links (code, target)
SELECT 'b' || n, 'https://www.example.com/landing/page?campaign=autumn&link=' || n
FROM generate_series(1, %(links)s::int) AS n

-- name: stage_backlog
-- Events as the service writes them, in the order of time, spread over the links.
INSERT INTO outbox (message_id, link_id, occurred_at, referrer, user_agent)
SELECT uuidv7(), link.id, clock_timestamp(), %(referrer)s::text, %(user_agent)s::text
FROM generate_series(1, %(events)s::int) AS n
JOIN links AS link ON link.id = 1 + n %% %(links)s::int

-- name: stage_found
-- Where the clicks stand: still waiting, counted, or given up.
SELECT (SELECT count(*) FROM outbox) AS waiting,
       (SELECT count(*) FROM clicks) AS clicks,
       (SELECT coalesce(sum(clicks), 0)::bigint FROM clicks_hourly) AS rollup,
       (SELECT count(*) FROM dead_letters) AS dead

-- name: stage_counters
-- What the server has counted so far; all but the log's position only as each session reports it.
SELECT xact_commit AS commits, deadlocks,
       (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 AS wal
FROM pg_stat_database
WHERE datname = current_database()

-- name: stage_dead_tuples
-- Rows of the outbox that are gone but still in the way, as the server estimates them.
SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'outbox'

-- name: stage_locked_out
-- Sessions that wait for the outbox.
SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND relation = 'outbox'::regclass
