-- name: dead_letter_action_events
-- The letters an action took, oldest first, and where each event is now.
SELECT message_id, link_id, occurred_at::text AS occurred_at, attempts,
       fingerprint, error_class, error_message,
       CASE
           WHEN EXISTS (SELECT FROM clicks WHERE clicks.message_id = taken.message_id)
               THEN 'counted'
           WHEN EXISTS (SELECT FROM outbox WHERE outbox.message_id = taken.message_id)
               THEN 'waiting'
           WHEN EXISTS (SELECT FROM dead_letters WHERE dead_letters.message_id = taken.message_id)
               THEN 'dead'
           ELSE 'gone'
       END AS fate
FROM dead_letter_action_events AS taken
WHERE action_id = %(action_id)s
ORDER BY message_id

-- name: dead_letter_action_open
-- The record of an action that begins, with how many letters match and which is the last of them.
-- No row when none does.
WITH letter AS MATERIALIZED (
    SELECT message_id
    FROM dead_letters_chosen(
        %(message_ids)s::uuid[], %(error_class)s::text, %(fingerprint)s::text, %(code)s::text
    )
    ORDER BY message_id
    LIMIT %(most)s
), action AS (
    INSERT INTO dead_letter_actions (action, os_user, choice, reason, planned)
    SELECT %(action)s, %(os_user)s::text,
           jsonb_strip_nulls(jsonb_build_object(
               'message_ids', to_jsonb(%(message_ids)s::uuid[]),
               'error_class', %(error_class)s::text,
               'fingerprint', %(fingerprint)s::text,
               'code', %(code)s::text,
               'canary', %(most)s::bigint
           )),
           %(reason)s::text, count(*)
    FROM letter
    HAVING count(*) > 0
    RETURNING id, planned
)
SELECT action.id, action.planned,
       (SELECT message_id FROM letter ORDER BY message_id DESC LIMIT 1) AS through
FROM action

-- name: dead_letter_actions_list
-- What has been done to dead letters, latest first.
SELECT id, at, last_at, action, role, os_user, choice::text AS choice, reason, planned, events
FROM dead_letter_actions
WHERE %(action_id)s::bigint IS NULL OR id = %(action_id)s::bigint
ORDER BY id DESC
LIMIT %(most)s
