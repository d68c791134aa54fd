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
WHERE relkind = 'r' AND relpersistence = 'u' AND pg_table_is_visible(oid)
  AND relname ~ ('^(users|sessions|api_keys|links|idempotency_keys|outbox|clicks.*|dead_letter.*'
                 '|deleted_links)$')

-- name: pooler_notice
-- The backend that this statement happens to run on.
SELECT pg_backend_pid()

-- name: schema_owner
-- The role that owns what the migrations have made.
SELECT tableowner FROM pg_tables
WHERE schemaname = current_schema() AND tablename = 'alembic_version'

-- name: schema_check
-- The revision the database is at; the table is missing when it was never migrated.
SELECT version_num FROM alembic_version

-- name: catalog_state
-- Changes with every table, column, function and privilege: catalog rows are never changed in place.
WITH schema AS (
    SELECT oid, xmin FROM pg_namespace WHERE nspname = ANY (current_schemas(false))
)
SELECT md5(string_agg(concat(row.kind, row.id, row.xmin), ',' ORDER BY row.kind, row.id))
FROM (
    SELECT 'class' AS kind, oid::text AS id, xmin::text FROM pg_class
    WHERE relnamespace IN (SELECT oid FROM schema)
    UNION ALL
    SELECT 'column', concat(attrelid, '.', attnum), pg_attribute.xmin::text
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace IN (SELECT oid FROM schema)
    UNION ALL
    SELECT 'function', oid::text, xmin::text FROM pg_proc
    WHERE pronamespace IN (SELECT oid FROM schema)
    UNION ALL
    SELECT 'schema', oid::text, xmin::text FROM schema
) AS row
