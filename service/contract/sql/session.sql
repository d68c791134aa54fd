-- name: session_configure
-- Settings of this session, all in one statement.
SELECT set_config(name, value, false) FROM json_each_text(%(settings)s::json) AS given (name, value)

-- name: session_unhurried
-- This transaction may take as long as it takes.
SELECT set_config('statement_timeout', '0', true)
