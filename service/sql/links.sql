-- name: link_create
-- A new link; no row when another has the code.
INSERT INTO links (code, target, owner_id, title, expires_at, redirect_code)
VALUES (%(code)s, %(target)s, %(owner_id)s, %(title)s, %(expires_at)s, %(redirect_code)s)
ON CONFLICT (code) DO NOTHING
RETURNING id, code, target, owner_id, (SELECT email FROM users WHERE users.id = owner_id) AS owner,
    title, created_at, expires_at, disabled_at, redirect_code, version

-- name: links_create
-- Many new links of one account; those whose code another has are left out.
INSERT INTO links (code, target, owner_id, title, expires_at, redirect_code)
SELECT code, target, %(owner_id)s, title, expires_at, redirect_code
FROM json_to_recordset(%(links)s) AS link (
    code text, target text, title text, expires_at timestamptz, redirect_code smallint
)
ORDER BY code COLLATE "C"  -- two that meet on codes wait for each other in one order
ON CONFLICT (code) DO NOTHING
RETURNING id, code, target, owner_id, (SELECT email FROM users WHERE users.id = owner_id) AS owner,
    title, created_at, expires_at, disabled_at, redirect_code, version

-- name: link_by_code
-- The link with this code, live or not.
SELECT links.id, code, target, owner_id, email AS owner,
    title, links.created_at, expires_at, links.disabled_at, redirect_code, version
FROM links LEFT JOIN users ON users.id = owner_id
WHERE code = %(code)s

-- name: link_lock
-- The link with this code, kept from other writers until the transaction ends. Redirects only
-- read it and go on.
SELECT links.id, code, target, owner_id, email AS owner,
    title, links.created_at, expires_at, links.disabled_at, redirect_code, version
FROM links LEFT JOIN users ON users.id = owner_id
WHERE code = %(code)s
FOR UPDATE OF links

-- name: links_of_owner
-- One page of an account's links, newest first: at most so many below an id.
SELECT links.id, code, target, owner_id, email AS owner,
    title, links.created_at, expires_at, links.disabled_at, redirect_code, version
FROM links LEFT JOIN users ON users.id = owner_id
WHERE owner_id = %(owner_id)s AND links.id < %(below)s
ORDER BY links.id DESC
LIMIT %(limit)s

-- name: links_all
-- One page of everybody's links, newest first: at most so many below an id.
SELECT links.id, code, target, owner_id, email AS owner,
    title, links.created_at, expires_at, links.disabled_at, redirect_code, version
FROM links LEFT JOIN users ON users.id = owner_id
WHERE links.id < %(below)s
ORDER BY links.id DESC
LIMIT %(limit)s

-- name: link_update
-- Writes what may change of a link, as its next version.
UPDATE links
SET owner_id = %(owner_id)s, target = %(target)s, title = %(title)s, expires_at = %(expires_at)s,
    disabled_at = %(disabled_at)s, redirect_code = %(redirect_code)s, version = version + 1
WHERE id = %(id)s
RETURNING version

-- name: link_delete
-- Removes a link and leaves word for the relay, which removes its clicks; no row when it was gone.
WITH gone AS (
    DELETE FROM links WHERE id = %(id)s RETURNING id
)
INSERT INTO deleted_links (link_id)
SELECT id FROM gone
RETURNING link_id
