-- name: session_create
-- A new session; the user's expired ones go, so that the table does not grow with every login.
WITH expired AS (
    DELETE FROM sessions WHERE user_id = %(user_id)s AND expires_at < now() - interval '1 day'
)
INSERT INTO sessions (id, user_id, expires_at)
VALUES (%(id)s, %(user_id)s, %(expires_at)s)

-- name: session_user
-- Whom a session stands for, while it stands and the account is not disabled.
SELECT users.id, email, password_hash, role, users.created_at, disabled_at
FROM sessions JOIN users ON users.id = user_id
WHERE sessions.id = %(id)s AND user_id = %(user_id)s
  AND ended_at IS NULL AND expires_at > now() AND disabled_at IS NULL

-- name: session_end
-- Ends a session; a second time changes nothing.
UPDATE sessions SET ended_at = now() WHERE id = %(id)s AND ended_at IS NULL

-- name: sessions_end
-- Ends every session of an account.
UPDATE sessions SET ended_at = now() WHERE user_id = %(user_id)s AND ended_at IS NULL
