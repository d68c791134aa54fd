-- name: years_rollup
-- One link's clicks of three years, hour by hour, as many as asked for in all.
INSERT INTO clicks_hourly (link_id, hour, clicks)
SELECT %(link_id)s, date_trunc('hour', now(), 'UTC') - n * interval '1 hour',
       %(clicks)s::bigint * (n + 1) / %(hours)s::int - %(clicks)s::bigint * n / %(hours)s::int
FROM generate_series(0, %(hours)s::int - 1) AS n

-- name: years_clicks
-- The clicks themselves, evenly over the same hours; the key's time is the click's.
INSERT INTO clicks (message_id, link_id, occurred_at, referrer, user_agent)
SELECT uuidv7(at - now()), %(link_id)s, at, %(referrer)s::text, %(user_agent)s::text
FROM generate_series(1, %(clicks)s::int) AS n,
     LATERAL (SELECT now() - interval '1 hour' * (%(hours)s::float8 * n / %(clicks)s::int) AS at)

-- name: years_owner
-- The link's owner.
UPDATE links SET owner_id = (SELECT id FROM users WHERE email = %(email)s) WHERE code = %(code)s
RETURNING id

-- name: probes_visible
-- Which of some links have been counted.
SELECT link_id FROM clicks_hourly WHERE link_id = ANY(%(link_ids)s::bigint[])
