-- The letters that one action took, and where their events are now: psql -v action_id=…
SELECT message_id, link_id, occurred_at,
       CASE
           WHEN EXISTS (SELECT FROM clicks WHERE clicks.message_id = taken.message_id)
               THEN 'counted'
           WHEN EXISTS (SELECT FROM outbox WHERE outbox.message_id = taken.message_id)
               THEN 'waiting'
           WHEN EXISTS (SELECT FROM dead_letters WHERE dead_letters.message_id = taken.message_id)
               THEN 'dead'
           ELSE 'gone'
       END AS fate,
       fingerprint, error_class, error_message
FROM dead_letter_action_events AS taken
WHERE action_id = :'action_id'::bigint
ORDER BY message_id;
