-- name: allowance_take
-- Takes one unit if there is one, and tells how it stands then; and tidies up after those whose
-- allowance has long been whole again, two for each row that may be new. Theirs come last: a lock is
-- waited for only by who holds none, so nobody waits in a circle.
WITH taken AS (
    INSERT INTO allowances AS held (key, full_at)
    VALUES (%(key)s, clock_timestamp() + %(interval)s)
    ON CONFLICT (key) DO UPDATE
    -- The clock, not now(): who has waited for the row would reckon with a time before it was taken.
    -- More than a day ahead, which no limit is, it was set by a clock that has been set back since: all is allowed.
    SET full_at = %(interval)s + CASE
        WHEN held.full_at > clock_timestamp() + interval '1 day' THEN clock_timestamp()
        ELSE greatest(held.full_at, clock_timestamp())
    END
    WHERE held.full_at > clock_timestamp() + interval '1 day'
       OR greatest(held.full_at, clock_timestamp()) + %(interval)s - clock_timestamp() <= %(span)s
    RETURNING full_at, clock_timestamp() AS at
), whole AS (
    DELETE FROM allowances
    WHERE key IN (
        SELECT key
        FROM allowances
        WHERE full_at < now() - interval '1 minute' AND key <> %(key)s
          AND (SELECT count(*) FROM taken) >= 0
        ORDER BY full_at
        LIMIT 2
        FOR UPDATE SKIP LOCKED
    )
), stands AS (
    -- Not there: it was made and used up by others after this statement began.
    SELECT coalesce(max(full_at), clock_timestamp() + %(span)s) AS full_at FROM allowances WHERE key = %(key)s
)
SELECT taken.full_at IS NOT NULL AS allowed,
       coalesce(taken.full_at, stands.full_at) AS full_at,
       coalesce(taken.at, clock_timestamp()) AS at
FROM stands LEFT JOIN taken ON true

-- name: allowance_give_back
-- Gives one unit back that was taken; more than all is never there.
UPDATE allowances SET full_at = full_at - %(interval)s::interval WHERE key = %(key)s
