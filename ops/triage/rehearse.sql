-- What replay.sql or discard.sql would take with the same variables, by cause; nothing is changed.
--   psql -v fingerprint=… -f ops/triage/rehearse.sql
-- A file that is included cannot stop the one that includes it: set here.
\set ON_ERROR_STOP on
\ir choice.sql
WITH letter AS (
    SELECT *
    FROM dead_letters_chosen(
        string_to_array(nullif(:'message_ids', ''), ',')::uuid[], nullif(:'error_class', ''),
        nullif(:'fingerprint', ''), nullif(:'code', '')
    )
    WHERE :'chosen'::boolean
    ORDER BY message_id
    LIMIT nullif(:'canary', '')::bigint
)
SELECT coalesce(letter.fingerprint, 'all') AS fingerprint,
       min(letter.error_class) AS error_class,
       count(*) AS events,
       count(DISTINCT letter.link_id) AS links,
       count(*) FILTER (WHERE links.id IS NULL) AS of_deleted_links,
       count(*) FILTER (WHERE clicks.message_id IS NOT NULL) AS counted_already
FROM letter
LEFT JOIN links ON links.id = letter.link_id
LEFT JOIN clicks ON clicks.message_id = letter.message_id
GROUP BY GROUPING SETS ((letter.fingerprint), ())
ORDER BY GROUPING(letter.fingerprint), events DESC, letter.fingerprint;
