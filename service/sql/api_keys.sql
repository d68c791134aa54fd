-- name: api_keys_lock
-- Whoever makes a key for this account waits for whoever makes one: the keys can be counted.
SELECT id FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE

-- name: api_key_create
-- A new key, unless the account has as many as it may. Of those that are over the latest stay.
WITH outdated AS (
    DELETE FROM api_keys
    WHERE id IN (
        SELECT id
        FROM api_keys
        WHERE user_id = %(user_id)s AND (revoked_at IS NOT NULL OR expires_at <= now())
        ORDER BY id DESC
        OFFSET %(limit)s
    )
)
INSERT INTO api_keys (user_id, name, secret_hash, scopes, expires_at)
SELECT %(user_id)s, %(name)s, %(secret_hash)s, %(scopes)s, %(expires_at)s
WHERE %(limit)s > (
    SELECT count(*)
    FROM api_keys
    WHERE user_id = %(user_id)s AND revoked_at IS NULL AND coalesce(expires_at > now(), true)
)
RETURNING id, name, scopes, created_at, expires_at, last_used_at, revoked_at

-- name: api_keys_of_user
-- An account's keys, newest first; those that are over too.
SELECT id, name, scopes, created_at, expires_at, last_used_at, revoked_at
FROM api_keys
WHERE user_id = %(user_id)s
ORDER BY id DESC

-- name: api_key_revoke
-- Ends a key of this account; the first time stands.
UPDATE api_keys
SET revoked_at = coalesce(revoked_at, now())
WHERE id = %(id)s AND user_id = %(user_id)s
RETURNING id, name, scopes, created_at, expires_at, last_used_at, revoked_at

-- name: api_key_use
-- Whom a key stands for, while it holds and the account is not disabled. That it was used is noted
-- once a minute: a write for each request would cost more than all else that it does.
WITH held AS (
    SELECT api_keys.id AS key_id, scopes,
           users.id, email, password_hash, role, users.created_at, disabled_at
    FROM api_keys JOIN users ON users.id = user_id
    WHERE secret_hash = %(secret_hash)s AND disabled_at IS NULL
      AND revoked_at IS NULL AND coalesce(expires_at > now(), true)
), noted AS (
    UPDATE api_keys
    SET last_used_at = now()
    FROM held
    WHERE api_keys.id = held.key_id
      AND coalesce(last_used_at < now() - interval '1 minute', true)
)
SELECT key_id, scopes, id, email, password_hash, role, created_at, disabled_at
FROM held
