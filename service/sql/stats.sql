-- name: stats_read
-- A link's clicks, all of them and by day, newest first: one snapshot, whatever the zone.
-- An hour of the rollup that lies within one local day counts for that day as a whole. Where a
-- zone's midnight falls inside a UTC hour (offsets such as +05:30), the clicks of that one hour are
-- counted themselves, from the index on (link_id, occurred_at).
WITH near AS (
    -- Telling the local time of an hour costs more than adding it up: only of hours that may be
    -- asked for. A zone is at most 15 hours from UTC, and no local day begins 26 UTC hours.
    SELECT hour, clicks
    FROM clicks_hourly
    WHERE link_id = %(link_id)s
      AND hour >= timezone('UTC', %(first)s::date - interval '1 day')
      AND hour < timezone('UTC', %(last)s::date + interval '2 days')
    ORDER BY hour DESC
    LIMIT 2 * 26 * %(days)s::bigint
), hours AS MATERIALIZED (
    SELECT hour, clicks, starts::date AS day,
        -- No clock has been set across a midnight inside a UTC hour since 2011.
        (starts + interval '59 minutes 59.999999 seconds')::date AS last_day
    FROM near, LATERAL (SELECT hour AT TIME ZONE %(timezone)s AS starts) AS local
), latest AS (
    -- Two neighbouring days may share their only clicks, but three may not: twice as many days of
    -- the rollup hold as many days of clicks, and bound how far back clicks are counted.
    SELECT day FROM hours GROUP BY day ORDER BY day DESC LIMIT 2 * %(days)s::bigint
), wanted AS MATERIALIZED (
    SELECT hour, clicks, day, last_day
    FROM hours
    WHERE day >= (SELECT min(day) FROM latest)
      AND last_day >= %(first)s AND day <= %(last)s
), counted AS (
    SELECT day, clicks FROM wanted WHERE day = last_day
    UNION ALL
    SELECT split.day, split.clicks
    FROM wanted, LATERAL (
        -- Grouped here so that each hour is one index scan, never a join over all clicks.
        SELECT (occurred_at AT TIME ZONE %(timezone)s)::date AS day, count(*) AS clicks
        FROM clicks
        WHERE link_id = %(link_id)s
            AND occurred_at >= hour AND occurred_at < hour + interval '1 hour'
        GROUP BY 1
    ) AS split
    WHERE wanted.day <> last_day
), by_day AS (
    SELECT day, sum(clicks)::bigint AS clicks
    FROM counted
    WHERE day BETWEEN %(first)s AND %(last)s
    GROUP BY day
    ORDER BY day DESC
    LIMIT %(days)s::bigint
)
SELECT now() AS as_of,
    (SELECT coalesce(sum(clicks), 0)::bigint FROM clicks_hourly WHERE link_id = %(link_id)s)
        AS total,
    (SELECT coalesce(array_agg(day ORDER BY day DESC), '{}') FROM by_day) AS days,
    (SELECT coalesce(array_agg(clicks ORDER BY day DESC), '{}') FROM by_day) AS clicks
