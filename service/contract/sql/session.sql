-- name: commit_confirm
-- Writes a message to the log: a transaction that writes nothing waits for nothing. This COMMIT ends
-- when all earlier ones are on the synchronous standbys' disks. As durable as transaction_durable.
SELECT pg_logical_emit_message(true, 'everyclick', ''),
       set_config('client_min_messages', 'warning', true),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                                        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)

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

-- name: transaction_durable
-- This transaction's COMMIT waits for this disk and the synchronous standbys' disks, and warns when
-- the wait is cancelled, whatever the server's settings are; remote_apply, which is more, stays.
SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                                        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),
       set_config('client_min_messages', 'warning', true)

-- name: session_unhurried
-- This transaction may take as long as it takes.
SELECT set_config('statement_timeout', '0', true)

-- name: session_alive
-- Anything that only a server can answer.
SELECT true
