-- name: durability_check
-- A sentence for each reason why an acknowledged commit might not survive a crash.
SELECT name || ' is ' || setting || ', it must be on.' AS fault
FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'
UNION ALL
-- What a session can set is a fault only where ours do not.
SELECT 'synchronous_commit is off, it must be on.'
FROM pg_settings
WHERE %(as_is)s AND name = 'synchronous_commit' AND setting = 'off'
UNION ALL
SELECT 'table ' || relname || ' is unlogged and would be emptied by a crash.'
FROM pg_class
WHERE relkind = 'r' AND relpersistence = 'u' AND relnamespace = current_schema()::regnamespace
  AND relname ~ ('^(users|sessions|api_keys|links|idempotency_keys|outbox|clicks.*|dead_letter.*'
                 '|deleted_links)$')

-- name: pooler_notice
-- The backend that this statement happens to run on.
SELECT pg_backend_pid()

-- name: schema_check
-- The revision the database is at; the table is missing when it was never migrated.
SELECT version_num FROM alembic_version
