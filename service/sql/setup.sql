-- name: setup_offer
-- A new secret for the first admin, in place of any there was.
INSERT INTO setup (secret_hash, expires_at)
VALUES (%(secret_hash)s, now() + %(lifetime)s)
ON CONFLICT (only_one) DO UPDATE
SET secret_hash = excluded.secret_hash, created_at = now(), expires_at = excluded.expires_at,
    used_at = NULL

-- name: setup_holds
-- Whether this is the secret, not expired and not used.
SELECT EXISTS (
    SELECT FROM setup
    WHERE secret_hash = %(secret_hash)s AND used_at IS NULL AND expires_at > now()
)

-- name: setup_use
-- Uses the secret up; no row when it does not hold. Of several at once the row lets one through.
UPDATE setup SET used_at = now()
WHERE secret_hash = %(secret_hash)s AND used_at IS NULL AND expires_at > now()
RETURNING used_at
