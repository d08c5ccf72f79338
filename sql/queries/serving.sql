-- Checks whether this server takes writes.

-- name: read_serving
-- out: in_recovery, read_only, standbys (synchronous_standby_names; '': this session's commits wait for none)
SELECT pg_is_in_recovery() AS in_recovery,
       current_setting('transaction_read_only')::boolean AS read_only,
       CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN ''
            ELSE current_setting('synchronous_standby_names') END AS standbys;

-- name: read_standby_state
-- out: confirming (standbys that confirm commits), unconfirmed (commits that have waited long for one)
SELECT confirming, unconfirmed FROM standby_state();

-- name: try_write
SELECT try_write();
