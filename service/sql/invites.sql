-- name: invite_create
-- A new invite; earlier ones for the address that are still open are revoked.
WITH earlier AS (
    UPDATE invites SET revoked_at = now()
    WHERE email = %(email)s AND accepted_at IS NULL AND revoked_at IS NULL
)
INSERT INTO invites (email, role, secret_hash, created_by, expires_at)
VALUES (%(email)s, %(role)s, %(secret_hash)s, %(created_by)s, now() + %(lifetime)s)
RETURNING id, email, role, created_at, expires_at, accepted_at, revoked_at

-- name: invites_page
-- Invites below an id, newest first.
SELECT id, email, role, created_at, expires_at, accepted_at, revoked_at
FROM invites
WHERE id < %(below)s
ORDER BY id DESC
LIMIT %(limit)s

-- name: invite_revoke
-- Revokes an invite; one that was accepted or has been revoked stays as it is.
UPDATE invites
SET revoked_at = CASE WHEN accepted_at IS NULL THEN coalesce(revoked_at, now()) ELSE revoked_at END
WHERE id = %(id)s
RETURNING id, email, role, created_at, expires_at, accepted_at, revoked_at

-- name: invite_find
-- The open invite with this token. It is open while whoever made it is an active admin.
SELECT invites.id, invites.email, invites.role, invites.created_at, expires_at, accepted_at, revoked_at
FROM invites JOIN users ON users.id = created_by
WHERE secret_hash = %(secret_hash)s AND accepted_at IS NULL AND revoked_at IS NULL
  AND expires_at > now() AND users.role = 'admin' AND users.disabled_at IS NULL

-- name: invite_accept
-- Accepts an open invite; no row when it is not open. Of several at once the row lets one through.
UPDATE invites
SET accepted_at = now()
FROM users
WHERE secret_hash = %(secret_hash)s AND accepted_at IS NULL AND revoked_at IS NULL
  AND expires_at > now()
  AND users.id = created_by AND users.role = 'admin' AND users.disabled_at IS NULL
RETURNING invites.id, invites.email, invites.role, invites.created_at, expires_at, accepted_at,
    revoked_at
