-- Whether this server takes writes.

-- name: read_serving
-- out: in_recovery, read_only, unconfirmed (sessions of this role whose commit has waited for a synchronous
--      standby for more than a second), standbys (synchronous_standby_names)
SELECT pg_is_in_recovery() AS in_recovery,
       current_setting('transaction_read_only')::boolean AS read_only,
       (SELECT count(*) FROM pg_stat_activity
         WHERE usename = current_user AND wait_event = 'SyncRep'
           AND query_start < clock_timestamp() - interval '1 second') AS unconfirmed,
       current_setting('synchronous_standby_names') AS standbys;

-- name: try_write
SELECT try_write();
