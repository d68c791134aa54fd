-- name: click_record
-- The link behind a code; when it is live, its click goes into the outbox with it.
-- No NOTIFY, no trigger, no counter: a transaction that has notified takes a database-wide lock
-- at commit, and a counter makes every click of a link wait for the one before.
WITH link AS (
    SELECT id, target, disabled_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS live
    FROM links
    WHERE code = %(code)s
), event AS (
    INSERT INTO outbox (message_id, link_id, referrer, user_agent)
    SELECT %(message_id)s, id, %(referrer)s, %(user_agent)s
    FROM link
    WHERE live
    -- A try whose COMMIT answer was lost is repeated with the same id.
    ON CONFLICT (message_id) DO NOTHING
)
SELECT target, live FROM link

-- name: link_resolve
-- The link behind a code, and nothing is recorded.
SELECT target, disabled_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS live
FROM links
WHERE code = %(code)s
