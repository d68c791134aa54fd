-- What service and relay may do, table by table; README.md beside it is the same as a table, and a
-- test compares the two with what Postgres lets each role do. As everyclick_migrate, after each migrate:
--     psql -d everyclick -U everyclick_migrate -f ops/roles/grants.sql
\set ON_ERROR_STOP on
BEGIN;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, everyclick_service, everyclick_relay;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, everyclick_service, everyclick_relay;

-- Both look at start whether the schema is theirs.
GRANT SELECT ON alembic_version TO everyclick_service, everyclick_relay;

-- service: redirects. An event is written and never read; ON CONFLICT reads its key.
GRANT INSERT (message_id, link_id, referrer, user_agent), SELECT (message_id) ON outbox
    TO everyclick_service;
-- service: its gauges of the pipeline. Of what waits it sees when, and not what.
GRANT SELECT (occurred_at) ON outbox TO everyclick_service;
GRANT SELECT (message_id) ON dead_letters TO everyclick_service;
GRANT SELECT ON relays, verifications TO everyclick_service;

-- service: the API, and the commands of `python -m service`.
GRANT SELECT, INSERT, UPDATE, DELETE
    ON links, sessions, setup, allowances, idempotency_keys, api_keys, invites
    TO everyclick_service;
GRANT SELECT, INSERT, UPDATE ON users TO everyclick_service;
GRANT INSERT (link_id), SELECT (link_id) ON deleted_links TO everyclick_service;
GRANT SELECT ON clicks, clicks_hourly TO everyclick_service;

-- relay. Replays put events back, deleted links take their clicks with them.
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, clicks_hourly TO everyclick_relay;
GRANT SELECT, INSERT, DELETE ON clicks, dead_letters TO everyclick_relay;
GRANT SELECT, UPDATE, DELETE ON deleted_links TO everyclick_relay;
GRANT SELECT (id, code) ON links TO everyclick_relay;
GRANT SELECT, INSERT, UPDATE, DELETE ON relays TO everyclick_relay;
GRANT SELECT, INSERT, UPDATE ON verifications TO everyclick_relay;
-- The record of what was done to dead letters grows; nobody at work can take anything out of it.
GRANT SELECT, INSERT, UPDATE (events, last_at) ON dead_letter_actions TO everyclick_relay;
GRANT SELECT, INSERT ON dead_letter_action_events TO everyclick_relay;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON pgqueuer, pgqueuer_log, pgqueuer_schedules, pgqueuer_statistics
    TO everyclick_relay;
GRANT USAGE ON SEQUENCE
    pgqueuer_id_seq, pgqueuer_log_id_seq, pgqueuer_schedules_id_seq, pgqueuer_statistics_id_seq
    TO everyclick_relay;

-- The function that makes a month runs as its owner: only the relay may call it.
GRANT EXECUTE ON FUNCTION clicks_partition_make(timestamptz) TO everyclick_relay;

COMMIT;
