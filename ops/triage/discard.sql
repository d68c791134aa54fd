-- These events are given up for good; their clicks will never be counted: psql -v error_class=…
BEGIN;
DELETE FROM dead_letters
WHERE error_class = :'error_class'
RETURNING message_id, link_id, occurred_at, error_message;
COMMIT;
