-- One event, whole, while it is a dead letter; and every action that ever took it:
-- psql -v message_id=…
SELECT message_id, links.code, occurred_at, attempts, fingerprint, error_class, error_message,
       first_failed_at, dead_at, jsonb_pretty(event) AS event
FROM dead_letters
LEFT JOIN links ON links.id = dead_letters.link_id
WHERE message_id = :'message_id'::uuid;

SELECT action_id, at, action, role, os_user, reason, link_id, occurred_at,
       error_class, error_message
FROM dead_letter_action_events
JOIN dead_letter_actions ON dead_letter_actions.id = action_id
WHERE message_id = :'message_id'::uuid
ORDER BY action_id;
