-- name: deleted_link_claim
-- One relay at a time removes a link's clicks: of two that chose the same ones, the second would
-- find nothing to remove and take the rest for removed as well. No row when the link is purged.
SELECT link_id FROM deleted_links WHERE link_id = %(link_id)s FOR UPDATE

-- name: deleted_link_purge
-- Some clicks of a deleted link go, and the rollup with them: the two stay equal throughout.
WITH click AS (
    DELETE FROM clicks
    WHERE message_id IN (
        SELECT message_id FROM clicks WHERE link_id = %(link_id)s LIMIT %(limit)s
    )
    RETURNING date_trunc('hour', occurred_at, 'UTC') AS hour
), hour AS (
    SELECT hour, count(*) AS clicks FROM click GROUP BY hour
), emptied AS (
    DELETE FROM clicks_hourly USING hour
    WHERE clicks_hourly.link_id = %(link_id)s AND clicks_hourly.hour = hour.hour
      AND clicks_hourly.clicks = hour.clicks
), lowered AS (
    UPDATE clicks_hourly SET clicks = clicks_hourly.clicks - hour.clicks
    FROM hour
    WHERE clicks_hourly.link_id = %(link_id)s AND clicks_hourly.hour = hour.hour
      AND clicks_hourly.clicks <> hour.clicks
)
SELECT count(*) FROM click

-- name: deleted_link_purged
-- What is left of a deleted link once its clicks are gone; the note of it goes a minute later.
-- A batch may have begun before the deletion and not yet hold the lock that the purge waits for;
-- the second purge finds what it brought.
WITH event AS (
    DELETE FROM outbox WHERE link_id = %(link_id)s
), dead_letter AS (
    DELETE FROM dead_letters WHERE link_id = %(link_id)s
), rollup AS (
    -- Hours whose month was dropped. Not while there are clicks: a batch may just have brought them.
    DELETE FROM clicks_hourly
    WHERE link_id = %(link_id)s
      AND NOT EXISTS (SELECT FROM clicks WHERE clicks.link_id = %(link_id)s)
), first AS (
    UPDATE deleted_links SET purged_at = now()
    WHERE link_id = %(link_id)s AND purged_at IS NULL
)
DELETE FROM deleted_links WHERE link_id = %(link_id)s AND purged_at IS NOT NULL

-- name: deleted_links_waiting
-- Deleted links to purge, for the first time or the second, in the order they were deleted.
SELECT link_id, purged_at IS NOT NULL AS purged
FROM deleted_links
WHERE purged_at IS NULL OR deleted_at < now() - interval '1 minute'
ORDER BY deleted_at, link_id
