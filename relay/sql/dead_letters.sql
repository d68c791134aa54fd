-- name: dead_letters_count
-- How many dead letters match.
SELECT count(*)
FROM dead_letters
LEFT JOIN links ON links.id = dead_letters.link_id
WHERE (%(message_ids)s::uuid[] IS NULL OR message_id = ANY(%(message_ids)s::uuid[]))
  AND (%(error_class)s::text IS NULL OR error_class = %(error_class)s::text)
  AND (%(code)s::text IS NULL OR links.code = %(code)s::text)

-- name: dead_letters_discard
-- Matching dead letters, and the clicks they stand for, are given up.
DELETE FROM dead_letters
WHERE (%(message_ids)s::uuid[] IS NULL OR message_id = ANY(%(message_ids)s::uuid[]))
  AND (%(error_class)s::text IS NULL OR error_class = %(error_class)s::text)
  AND (%(code)s::text IS NULL OR link_id = (SELECT id FROM links WHERE code = %(code)s::text))

-- name: dead_letters_list
-- Matching dead letters, latest first.
-- occurred_at as text: what an event claims may lie outside what a client's calendar can show.
SELECT message_id, link_id, code, occurred_at::text AS occurred_at, event::text AS event,
       attempts, error_class, error_message, first_failed_at, dead_at
FROM dead_letters
LEFT JOIN links ON links.id = dead_letters.link_id
WHERE (%(message_ids)s::uuid[] IS NULL OR message_id = ANY(%(message_ids)s::uuid[]))
  AND (%(error_class)s::text IS NULL OR error_class = %(error_class)s::text)
  AND (%(code)s::text IS NULL OR links.code = %(code)s::text)
ORDER BY dead_at DESC, message_id DESC
LIMIT %(limit)s

-- name: dead_letters_replay
-- Matching events go back to the outbox as they came, and leave dead_letters in the same statement.
WITH letter AS (
    DELETE FROM dead_letters
    WHERE (%(message_ids)s::uuid[] IS NULL OR message_id = ANY(%(message_ids)s::uuid[]))
      AND (%(error_class)s::text IS NULL OR error_class = %(error_class)s::text)
      AND (%(code)s::text IS NULL OR link_id = (SELECT id FROM links WHERE code = %(code)s::text))
    RETURNING message_id, link_id, occurred_at, event
), event AS (
    INSERT INTO outbox (message_id, link_id, occurred_at, referrer, user_agent)
    SELECT message_id, link_id, occurred_at, event ->> 'referrer', event ->> 'user_agent'
    FROM letter
    ORDER BY message_id
    ON CONFLICT (message_id) DO NOTHING
)
SELECT count(*) FROM letter
