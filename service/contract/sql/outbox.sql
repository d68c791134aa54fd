-- name: visits_record
-- The links behind some codes; of those that are live, the clicks go into the outbox with it.
-- No NOTIFY, no trigger, no counter: a transaction that has notified takes a database-wide lock
-- at commit, and a counter makes every click of a link wait for the one before.
WITH visit AS (
    SELECT * FROM json_to_recordset(%(visits)s) AS visit (c text, m uuid, r text, u text)
), link AS (
    SELECT id, code, target, redirect_code,
           disabled_at IS NULL AND (expires_at IS NULL OR expires_at > now())
           -- Not what only SQL can have put there: it could not be sent, so it is not counted.
           AND octet_length(target) <= 2048 AND lower(left(target, 7)) IN ('http://', 'https:/')
           AND target COLLATE "C" !~ '[^!-~]' AS live
    FROM links
    WHERE code = ANY (ARRAY(SELECT DISTINCT c FROM visit))
), event AS (
    INSERT INTO outbox (message_id, link_id, referrer, user_agent)
    SELECT m, id, r, u
    FROM visit JOIN link ON link.code = visit.c
    WHERE live AND m IS NOT NULL
    -- A try whose COMMIT answer was lost is repeated with the same id.
    ON CONFLICT (message_id) DO NOTHING
)
SELECT code, target, live, redirect_code FROM link
