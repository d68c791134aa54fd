-- name: visit_record
-- One redirect as one statement: what a service would run that coalesces nothing.
WITH link AS (
    SELECT id, target, disabled_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS live
    FROM links
    WHERE code = %(code)s
), event AS (
    INSERT INTO outbox (message_id, link_id, referrer, user_agent)
    SELECT %(message_id)s, id, %(referrer)s, %(user_agent)s FROM link WHERE live
    ON CONFLICT (message_id) DO NOTHING
)
SELECT target, live FROM link

-- name: events_move
-- The least a statement can do that moves a batch: claim, remove, insert, add to the rollup.
-- No look at the event, no deleted links, no attempts, no dead letters.
WITH event AS (
    DELETE FROM outbox
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM outbox
        WHERE available_at <= now()
        ORDER BY available_at
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING message_id, link_id, occurred_at, referrer, user_agent
), click AS (
    INSERT INTO clicks (message_id, link_id, occurred_at, referrer, user_agent)
    SELECT message_id, link_id, occurred_at, referrer, user_agent FROM event
    ON CONFLICT (message_id) DO NOTHING
    RETURNING link_id, occurred_at
), rollup AS (
    INSERT INTO clicks_hourly (link_id, hour, clicks)
    SELECT link_id, date_trunc('hour', occurred_at, 'UTC') AS hour, count(*)
    FROM click
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (link_id, hour) DO UPDATE SET clicks = clicks_hourly.clicks + excluded.clicks
)
SELECT count(*) FROM click

-- name: click_insert
-- What the handler of one job per click does: one insert, and no rollup to keep.
INSERT INTO clicks (message_id, link_id, occurred_at, referrer, user_agent)
VALUES (%(message_id)s, %(link_id)s, now(), %(referrer)s, %(user_agent)s)
ON CONFLICT (message_id) DO NOTHING
