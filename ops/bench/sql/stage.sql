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

-- name: stage_poison
-- Good events and as many that Postgres is to refuse, well mixed: `poison` in both their headers.
INSERT INTO outbox (message_id, link_id, occurred_at, referrer, user_agent)
SELECT uuidv7(), link.id, clock_timestamp(),
       CASE WHEN good THEN %(referrer)s::text ELSE 'poison' END,
       CASE WHEN good THEN %(user_agent)s::text ELSE 'poison' END
FROM (
    SELECT n, good FROM generate_series(1, %(events)s::int) AS n
    CROSS JOIN (VALUES (true), (false)) AS half (good)
    ORDER BY hashtextextended(n || good::text, 0)
) AS each
JOIN links AS link ON link.id = 1 + n %% %(links)s::int

-- name: stage_antidote
-- Nothing refuses a click any more.
DO $$
BEGIN
    ALTER TABLE clicks DROP CONSTRAINT IF EXISTS stage_check;
    DROP FUNCTION IF EXISTS stage_refuse() CASCADE;
END $$

-- name: stage_check
-- Postgres refuses poison by a CHECK.
ALTER TABLE clicks ADD CONSTRAINT stage_check CHECK (referrer <> 'poison')

-- name: stage_trigger
-- Postgres refuses poison by a trigger that looks at the user agent.
DO $$
BEGIN
    CREATE FUNCTION stage_refuse() RETURNS trigger LANGUAGE plpgsql AS $refuse$
    BEGIN
        IF NEW.user_agent = 'poison' THEN RAISE EXCEPTION 'poison'; END IF;
        RETURN NEW;
    END $refuse$;
    CREATE TRIGGER stage_refuse BEFORE INSERT ON clicks
        FOR EACH ROW EXECUTE FUNCTION stage_refuse();
END $$

-- name: stage_lottery
-- Postgres refuses half of all events by a trigger that looks at nothing that they share.
DO $$
BEGIN
    CREATE FUNCTION stage_refuse() RETURNS trigger LANGUAGE plpgsql AS $refuse$
    BEGIN
        IF hashtextextended(NEW.message_id::text, 0) % 2 = 0 THEN RAISE EXCEPTION 'poison'; END IF;
        RETURN NEW;
    END $refuse$;
    CREATE TRIGGER stage_refuse BEFORE INSERT ON clicks
        FOR EACH ROW EXECUTE FUNCTION stage_refuse();
END $$

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
