-- name: exchange_make
-- What the client saw, for this session.
CREATE TEMPORARY TABLE exchange (
    number integer PRIMARY KEY, kind text NOT NULL, status integer NOT NULL
)

-- name: seeded_make
-- Events that were put into the outbox by hand, and what must become of each.
CREATE TEMPORARY TABLE seeded (message_id uuid PRIMARY KEY, fate text NOT NULL)

-- name: stored_make
-- Every event that stands anywhere, with the number of the request that left it.
CREATE TEMPORARY TABLE stored (message_id uuid NOT NULL, place text NOT NULL, number integer)

-- name: stored_fill
-- Read at one moment, so that an event on its way is seen in one place.
INSERT INTO stored
SELECT message_id, place,
       CASE WHEN starts_with(user_agent, %(prefix)s)
            THEN substr(user_agent, length(%(prefix)s) + 1)::integer END
FROM (
    SELECT message_id, 'outbox' AS place, user_agent FROM outbox
    UNION ALL SELECT message_id, 'clicks', user_agent FROM clicks
    UNION ALL SELECT message_id, 'dead_letters', event ->> 'user_agent' FROM dead_letters
) AS event

-- name: stored_index
-- The checks look events up by number.
CREATE INDEX ON stored (number)

-- name: lost
-- O1: what was promised or seeded, and stands nowhere.
SELECT format('request %%s', number) FROM exchange
WHERE kind = 'click' AND status = 302
  AND NOT EXISTS (SELECT FROM stored WHERE stored.number = exchange.number)
UNION ALL
SELECT format('seeded %%s', message_id) FROM seeded
WHERE NOT EXISTS (SELECT FROM stored WHERE stored.message_id = seeded.message_id)

-- name: doubled
-- O2: a mark or a message_id that stands more than once, within a table or over two.
SELECT format('request %%s in %%s', number, string_agg(place, ', ' ORDER BY place)) FROM stored
WHERE number IS NOT NULL
GROUP BY number HAVING count(*) > 1
UNION ALL
SELECT format('message_id %%s in %%s', message_id, string_agg(place, ', ' ORDER BY place)) FROM stored
GROUP BY message_id HAVING count(*) > 1

-- name: phantoms
-- O3: what no request can have left: unasked, not a click, or answered that it was not one.
SELECT format('%%s %%s: request %%s, %%s, status %%s',
              place, stored.message_id, number, coalesce(kind, 'never sent'), status)
FROM stored
LEFT JOIN exchange USING (number)
LEFT JOIN seeded USING (message_id)
WHERE seeded.message_id IS NULL
  AND (kind IS DISTINCT FROM 'click' OR NOT (status = 302 OR status = 0 OR status >= 500))

-- name: rollup_differences
-- O4: hours in which the rollup is not what the clicks say, counted in a way of our own.
SELECT format('link %%s, hour %%s: rollup %%s, clicks %%s', link_id, hour, told.clicks, counted.clicks)
FROM (
    SELECT link_id, extract(epoch FROM hour)::bigint / 3600 AS hour, clicks FROM clicks_hourly
) AS told
FULL JOIN (
    SELECT link_id, floor(extract(epoch FROM occurred_at))::bigint / 3600 AS hour,
           count(*) AS clicks
    FROM clicks GROUP BY 1, 2
) AS counted USING (link_id, hour)
WHERE told.clicks IS DISTINCT FROM counted.clicks

-- name: undrained
-- O5: what is left.
SELECT format('%%s, attempts %%s, due in %%s, last error: %%s',
              message_id, attempts, available_at - now(), last_error)
FROM outbox

-- name: wrong_fates
-- O6: a dead letter that was not seeded as one, one that is missing, one that is not whole.
SELECT format('%%s is dead: %%s: %%s', dead.message_id, error_class, error_message)
FROM dead_letters AS dead LEFT JOIN seeded USING (message_id)
WHERE fate IS DISTINCT FROM 'dead'
UNION ALL
SELECT format('%%s should be in %%s and is in %%s', seeded.message_id,
              CASE fate WHEN 'dead' THEN 'dead_letters' ELSE 'clicks' END, coalesce(place, 'nothing'))
FROM seeded LEFT JOIN stored USING (message_id)
WHERE place IS DISTINCT FROM CASE fate WHEN 'dead' THEN 'dead_letters' ELSE 'clicks' END
UNION ALL
SELECT format('%%s is not whole: attempts %%s, class %%s, event %%s',
              dead.message_id, dead.attempts, error_class, event)
FROM dead_letters AS dead JOIN seeded USING (message_id)
WHERE dead.attempts <> %(cap)s OR error_class = ''
   OR event ->> 'message_id' IS DISTINCT FROM dead.message_id::text
   OR NOT event ?& ARRAY['link_id', 'occurred_at', 'referrer', 'user_agent']

-- name: idle_transactions
-- O9: sessions that have sat in a transaction for more than five seconds.
SELECT format('%%s (pid %%s), %%s, %%s', application_name, pid, state, now() - state_change)
FROM pg_stat_activity
WHERE datname = current_database() AND state LIKE 'idle in transaction%%'
  AND state_change < now() - interval '5 s'

-- name: stuck_jobs
-- O9: jobs that a relay took and no longer gives a sign of life for.
SELECT format('job %%s, %%s, heartbeat %%s ago', id, entrypoint, now() - heartbeat)
FROM pgqueuer
WHERE status = 'picked' AND heartbeat < now() - %(timeout)s::interval
