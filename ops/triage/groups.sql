-- Letters of one cause each, whatever values their messages quote: most first, an example of each.
-- The fingerprint is what rehearse.sql, replay.sql and discard.sql take.
WITH cause AS (
    SELECT fingerprint,
           count(*) AS events,
           count(DISTINCT link_id) AS links,
           min(first_failed_at) AS first_failed_at,
           max(dead_at) AS last_dead_at,
           min(message_id::text COLLATE "C")::uuid AS example_id
    FROM dead_letters
    GROUP BY fingerprint
)
SELECT cause.fingerprint, dead_letters.error_class, events, links,
       cause.first_failed_at, last_dead_at, example_id, dead_letters.error_message AS example
FROM cause
JOIN dead_letters ON dead_letters.message_id = example_id
ORDER BY events DESC, cause.fingerprint;
