-- name: commit_confirm
-- Writes a message to the log: a transaction that writes nothing waits for nothing. This COMMIT ends
-- when all earlier ones are on the synchronous standbys' disks. As durable as transaction_durable.
SELECT pg_logical_emit_message(true, 'everyclick', ''),
       set_config('client_min_messages', 'warning', true),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                                        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)

-- name: transaction_durable
-- This transaction's COMMIT waits for this disk and the synchronous standbys' disks, and warns when
-- the wait is cancelled, whatever the server's settings are; remote_apply, which is more, stays.
SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                                        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),
       set_config('client_min_messages', 'warning', true)
