-- name: session_attended
-- Should the client be gone, this transaction ends within a second or so, not with its statement.
-- A server on Windows cannot tell, and refuses to be asked.
SELECT set_config('client_connection_check_interval', '1s', true)
WHERE version() !~* 'windows|mingw|visual c'

-- name: session_configure
-- Settings of this session, all in one statement; without what a server on Windows refuses.
-- A server whose commits wait until standbys show them goes on to do that.
SELECT set_config(name, value, false) FROM json_each_text(%(settings)s::json) AS given (name, value)
WHERE (name <> 'client_connection_check_interval' OR version() !~* 'windows|mingw|visual c')
  AND (name <> 'synchronous_commit' OR current_setting(name) <> 'remote_apply')

-- name: session_unhurried
-- This transaction may take as long as it takes.
SELECT set_config('statement_timeout', '0', true)

-- name: session_alive
-- Anything that only a server can answer.
SELECT true
