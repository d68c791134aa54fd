-- These events are given up for good: their clicks will never be counted. The action goes on record
-- in the same statement, with the reason and with the name of each event.
--   psql -v fingerprint=… -v reason='…' -f ops/triage/discard.sql   other variables: see choice.sql
-- A file that is included cannot stop the one that includes it: set here.
\set ON_ERROR_STOP on
\ir choice.sql
\if :{?reason}
\else
    \set reason ''
\endif
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
), action AS (
    INSERT INTO dead_letter_actions (action, os_user, choice, reason, planned, events)
    SELECT 'discard', :'os_user',
           jsonb_strip_nulls(jsonb_build_object(
               'message_ids', to_jsonb(string_to_array(nullif(:'message_ids', ''), ',')::uuid[]),
               'error_class', nullif(:'error_class', ''),
               'fingerprint', nullif(:'fingerprint', ''),
               'code', nullif(:'code', ''),
               'canary', nullif(:'canary', '')::bigint
           )),
           btrim(:'reason', E' \t\n'), count(*), count(*)
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
SELECT id AS action_id, action, events, role, os_user, choice, reason FROM action;
