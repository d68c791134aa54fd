-- name: idempotency_claim
-- A key for a request; no row when it was used within a day. Waits for a request that has it in hand.
-- A few that are older go with it, so that the table does not grow and nobody sweeps it.
WITH old AS (
    DELETE FROM idempotency_keys
    WHERE (user_id, key) IN (
        SELECT user_id, key
        FROM idempotency_keys
        WHERE created_at < now() - interval '1 day' AND (user_id, key) <> (%(user_id)s, %(key)s)
        ORDER BY created_at
        LIMIT 10
        FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO idempotency_keys (user_id, key, request_hash)
VALUES (%(user_id)s, %(key)s, %(request_hash)s)
ON CONFLICT (user_id, key) DO UPDATE
SET request_hash = excluded.request_hash, created_at = excluded.created_at, status = NULL
WHERE idempotency_keys.created_at < now() - interval '1 day'
RETURNING key

-- name: idempotency_find
-- What was answered to the request that had this key.
SELECT request_hash, status, headers, answer::text
FROM idempotency_keys
WHERE user_id = %(user_id)s AND key = %(key)s AND status IS NOT NULL

-- name: idempotency_keep
-- The answer of the request that has this key.
UPDATE idempotency_keys
SET status = %(status)s, headers = %(headers)s, answer = %(answer)s
WHERE user_id = %(user_id)s AND key = %(key)s
