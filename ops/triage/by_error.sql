-- What fails, how often, since when, and one example of each.
SELECT error_class,
       count(*) AS events,
       count(DISTINCT link_id) AS links,
       min(first_failed_at) AS first_failed_at,
       max(dead_at) AS last_dead_at,
       min(error_message) AS example,
       min(message_id::text) AS example_message_id
FROM dead_letters
GROUP BY error_class
ORDER BY events DESC, error_class;
