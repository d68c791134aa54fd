-- These events go back to the outbox as they came: psql -v error_class=…
-- The message_id stays, so replaying twice changes nothing and no click is counted twice.
BEGIN;
WITH letter AS (
    DELETE FROM dead_letters
    WHERE error_class = :'error_class'
    RETURNING message_id, link_id, occurred_at, event
)
INSERT INTO outbox (message_id, link_id, occurred_at, referrer, user_agent)
SELECT message_id, link_id, occurred_at, event ->> 'referrer', event ->> 'user_agent'
FROM letter
ORDER BY message_id
ON CONFLICT (message_id) DO NOTHING
RETURNING message_id, link_id, occurred_at;
COMMIT;
