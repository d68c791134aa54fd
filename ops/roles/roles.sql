-- The roles, each with what it needs and no more. As a superuser, once for each database:
--     psql -d everyclick -f ops/roles/roles.sql
-- Then a password for each (\password everyclick_service), `migrate` as everyclick_migrate, and
-- grants.sql after each migrate. Run again, it changes nothing.
\set ON_ERROR_STOP on
BEGIN;

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY[
    'everyclick_migrate', 'everyclick_service', 'everyclick_relay', 'everyclick_backup'
]) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE everyclick_migrate NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 5;
ALTER ROLE everyclick_service NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 200;
ALTER ROLE everyclick_relay NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 100;
ALTER ROLE everyclick_backup NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 5;
-- Reads every table and sequence, those of later migrations too, and writes nothing.
GRANT pg_read_all_data TO everyclick_backup;

-- What a session may cost at most when it asks for nothing else: one of the code's own says less,
-- and `verify` and `rebuild`, which read every click, lift theirs.
ALTER ROLE everyclick_service SET statement_timeout = '5s';
ALTER ROLE everyclick_service SET lock_timeout = '3s';
ALTER ROLE everyclick_service SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE everyclick_relay SET statement_timeout = '10s';
ALTER ROLE everyclick_relay SET lock_timeout = '5s';
ALTER ROLE everyclick_relay SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE everyclick_migrate SET lock_timeout = '5s';

-- Names are looked up in one place, where only the migrations may make anything.
ALTER ROLE everyclick_service SET search_path = public, pg_temp;
ALTER ROLE everyclick_relay SET search_path = public, pg_temp;
ALTER ROLE everyclick_migrate SET search_path = public, pg_temp;
ALTER ROLE everyclick_backup SET search_path = public, pg_temp;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO everyclick_service, everyclick_relay;
GRANT USAGE, CREATE ON SCHEMA public TO everyclick_migrate;

-- Nobody else connects, and nobody makes temporary tables.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()),
       format('GRANT CONNECT ON DATABASE %I TO everyclick_migrate, everyclick_service, everyclick_relay,'
              ' everyclick_backup', current_database())
\gexec

-- A database that another role has migrated so far is handed over.
SELECT format('ALTER TABLE public.%I OWNER TO everyclick_migrate', relname)
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  AND relowner <> 'everyclick_migrate'::regrole
\gexec
SELECT format('ALTER FUNCTION %s OWNER TO everyclick_migrate', oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proowner <> 'everyclick_migrate'::regrole
\gexec
SELECT format('ALTER TYPE public.%I OWNER TO everyclick_migrate', typname)
FROM pg_type
WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
  AND typowner <> 'everyclick_migrate'::regrole
\gexec

COMMIT;
