-- name: pgqueuer_enqueue
-- A job, unless one is queued and due already: many clicks make one job, not one each.
-- No dedupe_key: it would also count a picked job, and one that a killed relay had picked would
-- hold every new one back until its heartbeat times out.
INSERT INTO pgqueuer (priority, entrypoint, status)
SELECT 0, %(entrypoint)s, 'queued'
WHERE NOT EXISTS (
    SELECT FROM pgqueuer
    WHERE entrypoint = %(entrypoint)s AND status = 'queued' AND execute_after <= now()
)

-- name: pgqueuer_discard
-- Jobs that are none of ours: ours carry nothing.
DELETE FROM pgqueuer
WHERE entrypoint = ANY (%(entrypoints)s) AND (payload IS NOT NULL OR headers IS NOT NULL)

-- name: pgqueuer_log_prune
-- PgQueuer's log of jobs, which it never prunes itself.
DELETE FROM pgqueuer_log
WHERE created < now() - make_interval(hours => %(hours)s)

-- name: pgqueuer_schedules_recall
-- Schedules due in more than an hour and a half, though each is due every hour: the clock has been set
-- back since. Those that a relay had in hand then have a heartbeat of the future, and are free again.
UPDATE pgqueuer_schedules SET next_run = now(), status = 'queued'
WHERE next_run > now() + interval '90 minutes'

-- name: pgqueuer_statistics_prune
-- PgQueuer's counts per second, which it never prunes either.
DELETE FROM pgqueuer_statistics
WHERE created < now() - make_interval(days => %(days)s)
