-- name: relay_status
-- The pipeline at one instant.
SELECT count(*) FILTER (WHERE NOT waits) AS outbox_due,
       count(*) FILTER (WHERE waits) AS outbox_deferred,
       count(*) FILTER (WHERE attempts > 0) AS outbox_retried,
       coalesce(max(attempts), 0) AS outbox_most_attempts,
       extract(epoch FROM now() - min(least(occurred_at, now())))::float8 AS oldest_seconds,
       extract(epoch FROM now() - min(least(available_at, now())) FILTER (WHERE NOT waits))::float8
           AS oldest_due_seconds,
       extract(epoch FROM min(available_at) FILTER (WHERE waits) - now())::float8
           AS next_due_seconds,
       (SELECT count(*) FROM dead_letters) AS dead_letters,
       (SELECT max(dead_at) FROM dead_letters) AS last_dead_at,
       -- The key orders by time: the newest click is the last of the index.
       (SELECT occurred_at FROM clicks ORDER BY message_id DESC LIMIT 1) AS last_click_at,
       (SELECT count(*) FROM deleted_links) AS links_to_purge,
       -- Each relay listens on one connection of its own; the rest belong to its pool.
       (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'everyclick-relay-listener')
           AS relays,
       (SELECT max(inhrelid::regclass::text) FROM pg_inherits
        WHERE inhparent = 'clicks'::regclass AND inhrelid::regclass::text <> 'clicks_default')
           AS last_partition
FROM (
    SELECT attempts, occurred_at, available_at,
           available_at > now() AND available_at <= now() + make_interval(
               secs => (%(waits)s::float8[])[least(attempts + 1, %(last)s)]
           ) AS waits
    FROM outbox
) AS event

-- name: server_strain
-- Whose old view keeps dead rows from being removed: a session's, a slot's, or that of a prepared
-- transaction. And how full the queue of notifications is: to ask makes room in it, which nobody
-- else does once it is full.
SELECT greatest(
           -- Of another database a view does not matter here; a standby's has none. Nor does vacuum's.
           (SELECT max(age(backend_xmin)) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND (datid IS NULL OR datname = current_database())
              AND backend_type IS DISTINCT FROM 'autovacuum worker'),
           (SELECT max(greatest(age(xmin), age(catalog_xmin))) FROM pg_replication_slots),
           (SELECT max(age(transaction)) FROM pg_prepared_xacts WHERE database = current_database()),
           0
       ) AS held_back,
       pg_notification_queue_usage() AS notifications
