-- name: relay_beat
-- A relay lives. Rows that say nothing any more go, the relay's own is updated in place. Nothing is lost
-- when a crash takes it back, so the commit waits neither for the disk nor for a standby.
WITH quick AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), silent AS (
    DELETE FROM relays
    WHERE id <> %(id)s AND seen_at NOT BETWEEN now() - interval '1 day' AND now() + interval '1 day'
)
INSERT INTO relays (id, host, pid, version, seen_at, progress_at)
SELECT %(id)s, %(host)s, %(pid)s, %(version)s, now(), now() - make_interval(secs => %(idle)s)
FROM quick
ON CONFLICT (id) DO UPDATE
SET seen_at = excluded.seen_at, progress_at = excluded.progress_at,
    stopped_at = CASE WHEN %(stopped)s THEN now() END
