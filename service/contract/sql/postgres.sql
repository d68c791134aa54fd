-- name: durability_check
-- A sentence for each reason why an acknowledged commit might not survive a crash.
SELECT format('%s is %s, it must be on.', name, setting) AS fault
FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'
UNION ALL
-- "local" skips only a standby; the row is on this server's disk.
SELECT 'synchronous_commit is off, it must be local or stronger.'
FROM pg_settings
WHERE name = 'synchronous_commit' AND setting = 'off'
UNION ALL
SELECT format('table %s is unlogged and would be emptied by a crash.', relname)
FROM pg_class
WHERE relkind = 'r' AND relpersistence = 'u' AND relnamespace = current_schema()::regnamespace
  AND relname ~ '^(users|links|outbox|clicks.*|dead_letters|deleted_links)$'

-- name: pooler_notice
-- The backend that this statement happens to run on.
SELECT pg_backend_pid()

-- name: schema_check
-- The revision the database is at; the table is missing when it was never migrated.
SELECT version_num FROM alembic_version
