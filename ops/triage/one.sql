-- One event, whole: psql -v message_id=…
SELECT message_id, links.code, occurred_at, attempts, error_class, error_message,
       first_failed_at, dead_at, jsonb_pretty(event) AS event
FROM dead_letters
LEFT JOIN links ON links.id = dead_letters.link_id
WHERE message_id = :'message_id'::uuid;
