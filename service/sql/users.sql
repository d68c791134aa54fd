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

-- name: user_disable
-- Shuts an account out, and with it every session it has; the first time stands.
UPDATE users
SET disabled_at = coalesce(disabled_at, now())
WHERE email = %(email)s
RETURNING id, email, password_hash, role, created_at, disabled_at

-- name: user_rehash
-- Replaces a hash made with yesterday's parameters, unless the password has changed meanwhile.
UPDATE users
SET password_hash = %(password_hash)s
WHERE id = %(id)s AND password_hash = %(replaced)s
