-- What was done to dead letters, by whom and why, latest first. Fewer events than planned: it was
-- killed, or somebody else took the others.
SELECT id, at, last_at, action, events, planned, role, os_user, choice, reason
FROM dead_letter_actions
ORDER BY id DESC
LIMIT 100;
