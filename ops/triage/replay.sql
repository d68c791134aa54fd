-- These events go back to the outbox as they came, and the action goes on record, in one statement.
-- The message_id stays, so replaying twice changes nothing and no click is counted twice.
--   psql -v fingerprint=… -f ops/triage/replay.sql       the other variables: see choice.sql
-- A file that is included cannot stop the one that includes it: set here.
\set ON_ERROR_STOP on
\ir choice.sql
WITH letter AS (
    DELETE FROM dead_letters
    WHERE message_id = ANY (ARRAY(
        SELECT message_id
        FROM dead_letters_chosen(
            string_to_array(nullif(:'message_ids', ''), ',')::uuid[], nullif(:'error_class', ''),
            nullif(:'fingerprint', ''), nullif(:'code', '')
        )
        WHERE :'chosen'::boolean
        ORDER BY message_id
        LIMIT nullif(:'canary', '')::bigint
    ))
    RETURNING *
), event AS (
    INSERT INTO outbox (message_id, link_id, occurred_at, referrer, user_agent)
    SELECT message_id, link_id, occurred_at, event ->> 'referrer', event ->> 'user_agent'
    FROM letter
    ORDER BY message_id
    ON CONFLICT (message_id) DO NOTHING
), action AS (
    INSERT INTO dead_letter_actions (action, os_user, choice, planned, events)
    SELECT 'replay', :'os_user',
           jsonb_strip_nulls(jsonb_build_object(
               'message_ids', to_jsonb(string_to_array(nullif(:'message_ids', ''), ',')::uuid[]),
               'error_class', nullif(:'error_class', ''),
               'fingerprint', nullif(:'fingerprint', ''),
               'code', nullif(:'code', ''),
               'canary', nullif(:'canary', '')::bigint
           )),
           count(*), count(*)
    FROM letter
    HAVING count(*) > 0
    RETURNING *
), recorded AS (
    INSERT INTO dead_letter_action_events (
        action_id, message_id, link_id, occurred_at, attempts,
        fingerprint, error_class, error_message
    )
    SELECT action.id, message_id, link_id, occurred_at, attempts,
           fingerprint, error_class, error_message
    FROM action CROSS JOIN letter
    ORDER BY message_id
)
SELECT id AS action_id, action, events, role, os_user, choice FROM action;
