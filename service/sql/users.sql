-- name: user_create
-- A new account; no row when another has the e-mail.
INSERT INTO users (email, password_hash, role)
VALUES (%(email)s, %(password_hash)s, %(role)s)
ON CONFLICT (email) DO NOTHING
RETURNING id, email, password_hash, role, created_at, disabled_at

-- name: user_by_email
-- The account with this e-mail, disabled or not.
SELECT id, email, password_hash, role, created_at, disabled_at
FROM users
WHERE email = %(email)s

-- name: users_all
-- Every account, oldest first.
SELECT id, email, password_hash, role, created_at, disabled_at
FROM users
ORDER BY id

-- name: user_stands
-- Whether an account may still be used, with the password that was checked. Locks it: whoever
-- changes the password or disables it sees what the transaction has begun meanwhile.
SELECT id
FROM users
WHERE id = %(id)s AND password_hash = %(password_hash)s AND disabled_at IS NULL
FOR SHARE

-- name: user_by_id
-- The account with this number, disabled or not.
SELECT id, email, password_hash, role, created_at, disabled_at
FROM users
WHERE id = %(id)s

-- name: users_page
-- Accounts below an id, newest first; a filter that is null lets all through.
SELECT id, email, password_hash, role, created_at, disabled_at
FROM users
WHERE id < %(below)s
  AND coalesce(role = %(role)s::text, true)
  AND coalesce((disabled_at IS NOT NULL) = %(disabled)s::boolean, true)
  AND starts_with(email, %(prefix)s)
ORDER BY id DESC
LIMIT %(limit)s

-- name: user_update
-- Another role or state; null keeps what is there, and the first time of disabling stands.
UPDATE users
SET role = coalesce(%(role)s::text, role),
    disabled_at = CASE %(disabled)s::boolean
        WHEN true THEN coalesce(disabled_at, now())
        WHEN false THEN NULL
        ELSE disabled_at
    END
WHERE id = %(id)s
RETURNING id, email, password_hash, role, created_at, disabled_at

-- name: user_set_password
-- A new password, whatever the old one.
UPDATE users
SET password_hash = %(password_hash)s
WHERE email = %(email)s
RETURNING id, email, password_hash, role, created_at, disabled_at

-- name: user_rehash
-- Replaces a hash, unless the password has changed meanwhile.
UPDATE users
SET password_hash = %(password_hash)s
WHERE id = %(id)s AND password_hash = %(replaced)s
RETURNING id

-- name: admin_exists
-- Whether there is an admin, disabled or not.
SELECT EXISTS (SELECT FROM users WHERE role = 'admin')

-- name: admin_is_last
-- Whether an account is the only admin who is not disabled.
SELECT EXISTS (
    SELECT FROM users WHERE id = %(id)s AND role = 'admin' AND disabled_at IS NULL
) AND NOT EXISTS (
    SELECT FROM users WHERE id <> %(id)s AND role = 'admin' AND disabled_at IS NULL
)

-- name: admins_lock
-- Waits for others who change who is an admin, or rely on it, and keeps them waiting until the
-- transaction ends. A lock of no row: what it guards is that there are none.
SELECT pg_advisory_xact_lock(hashtext('everyclick'), hashtext('admins'))

-- name: admins_lock_shared
-- Waits for those who change who is an admin, and keeps them waiting.
SELECT pg_advisory_xact_lock_shared(hashtext('everyclick'), hashtext('admins'))
