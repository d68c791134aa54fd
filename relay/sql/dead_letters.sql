-- name: dead_letters_discard
-- The next of the letters that match, and the clicks they stand for, are given up; the action's
-- record names each. For its steps see dead_letters_replay.
WITH chosen AS (
    SELECT message_id
    FROM dead_letters_chosen(
        %(message_ids)s::uuid[], %(error_class)s::text, %(fingerprint)s::text, %(code)s::text
    )
    WHERE message_id > %(after)s::uuid AND message_id <= %(through)s::uuid
    ORDER BY message_id
    LIMIT %(limit)s
), letter AS (
    DELETE FROM dead_letters
    WHERE message_id = ANY (ARRAY(SELECT message_id FROM chosen))
    RETURNING *
), recorded AS (
    INSERT INTO dead_letter_action_events (
        action_id, message_id, link_id, occurred_at, attempts,
        fingerprint, error_class, error_message
    )
    SELECT %(action_id)s, message_id, link_id, occurred_at, attempts,
           fingerprint, error_class, error_message
    FROM letter
    ORDER BY message_id
), action AS (
    UPDATE dead_letter_actions
    SET events = events + (SELECT count(*) FROM letter), last_at = clock_timestamp()
    WHERE id = %(action_id)s
)
SELECT (SELECT count(*) FROM chosen) AS seen,
       (SELECT count(*) FROM letter) AS events,
       (SELECT message_id FROM chosen ORDER BY message_id DESC LIMIT 1) AS last

-- name: dead_letters_groups
-- Letters of one cause each, most first, with what the oldest of them says.
WITH letter AS (
    SELECT message_id, link_id, error_class, fingerprint, first_failed_at, dead_at
    FROM dead_letters_chosen(
        %(message_ids)s::uuid[], %(error_class)s::text, %(fingerprint)s::text, %(code)s::text
    )
    ORDER BY message_id
    LIMIT %(most)s
), cause AS (
    -- Postgres before 18 knows no least UUID; as text they are in the same order.
    SELECT fingerprint, count(*) AS events, count(DISTINCT link_id) AS links,
           min(first_failed_at) AS first_failed_at, max(dead_at) AS last_dead_at,
           min(message_id::text COLLATE "C")::uuid AS example_id
    FROM letter
    GROUP BY fingerprint
)
SELECT cause.fingerprint, dead_letters.error_class, events, links,
       cause.first_failed_at, last_dead_at, example_id, dead_letters.error_message AS example
FROM cause
JOIN dead_letters ON dead_letters.message_id = example_id
ORDER BY events DESC, cause.fingerprint

-- name: dead_letters_list
-- Matching dead letters, latest first.
-- occurred_at as text: what an event claims may lie outside what a client's calendar can show.
SELECT message_id, link_id, links.code, occurred_at::text AS occurred_at, event::text AS event,
       attempts, fingerprint, error_class, error_message, first_failed_at, dead_at
FROM dead_letters_chosen(
    %(message_ids)s::uuid[], %(error_class)s::text, %(fingerprint)s::text, %(code)s::text
) AS letter
LEFT JOIN links ON links.id = letter.link_id
ORDER BY dead_at DESC, message_id DESC
LIMIT %(most)s

-- name: dead_letters_rehearse
-- What an action on the matching letters, or the oldest of them, would take, and what would become of it.
WITH letter AS (
    SELECT message_id, link_id, fingerprint
    FROM dead_letters_chosen(
        %(message_ids)s::uuid[], %(error_class)s::text, %(fingerprint)s::text, %(code)s::text
    )
    ORDER BY message_id
    LIMIT %(most)s
)
SELECT count(*) AS events,
       count(DISTINCT letter.fingerprint) AS groups,
       count(DISTINCT letter.link_id) AS links,
       count(*) FILTER (WHERE links.id IS NULL) AS orphans,
       count(*) FILTER (WHERE links.id IS NOT NULL AND clicks.message_id IS NOT NULL) AS counted
FROM letter
LEFT JOIN links ON links.id = letter.link_id
LEFT JOIN clicks ON clicks.message_id = letter.message_id

-- name: dead_letters_replay
-- The next of the letters that match go back to the outbox as they came, oldest first, and leave
-- dead_letters in the same statement, in which the action's record names each.
WITH chosen AS (
    SELECT message_id
    FROM dead_letters_chosen(
        %(message_ids)s::uuid[], %(error_class)s::text, %(fingerprint)s::text, %(code)s::text
    )
    WHERE message_id > %(after)s::uuid AND message_id <= %(through)s::uuid
    ORDER BY message_id
    LIMIT %(limit)s
), letter AS (
    -- One that somebody else takes meanwhile is not here, but has been seen: the next batch goes on
    -- behind it.
    DELETE FROM dead_letters
    WHERE message_id = ANY (ARRAY(SELECT message_id FROM chosen))
    RETURNING *
), event AS (
    INSERT INTO outbox (message_id, link_id, occurred_at, referrer, user_agent)
    SELECT message_id, link_id, occurred_at, event ->> 'referrer', event ->> 'user_agent'
    FROM letter
    ORDER BY message_id
    ON CONFLICT (message_id) DO NOTHING
), recorded AS (
    INSERT INTO dead_letter_action_events (
        action_id, message_id, link_id, occurred_at, attempts,
        fingerprint, error_class, error_message
    )
    SELECT %(action_id)s, message_id, link_id, occurred_at, attempts,
           fingerprint, error_class, error_message
    FROM letter
    ORDER BY message_id
), action AS (
    UPDATE dead_letter_actions
    SET events = events + (SELECT count(*) FROM letter), last_at = clock_timestamp()
    WHERE id = %(action_id)s
)
SELECT (SELECT count(*) FROM chosen) AS seen,
       (SELECT count(*) FROM letter) AS events,
       (SELECT message_id FROM chosen ORDER BY message_id DESC LIMIT 1) AS last
