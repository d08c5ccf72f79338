-- Locks and timeouts of the reconciler.

-- name: become_active_reconciler
-- Takes an advisory lock for the session if it is free; repeating it while holding the lock does nothing.
-- out: whether this session is the active reconciler
SELECT EXISTS (
         SELECT FROM pg_locks
          WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
            AND objid = 1668249710 AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
       OR pg_try_advisory_lock(1668249710) AS active;

-- name: end_when_silent
-- Lets the server end this session, and free its locks, when its process is silent for so long: it may have been
-- stopped, or its machine cut off. A server that is sending rows is not idle, and waits for a stopped client
-- without limit: tcp_user_timeout ends that.
-- in: timeout, with its unit
SELECT set_config('idle_session_timeout', %(timeout)s, false),
       set_config('idle_in_transaction_session_timeout', %(timeout)s, false),
       set_config('tcp_user_timeout', %(timeout)s, false);

-- name: lock_rebuild
-- Prevents two rebuilds of one coupon at the same time; held until unlock_rebuild or the end of the session.
-- in:  coupon_id
-- out: whether this session has the lock now
SELECT pg_try_advisory_lock(1668249711, hashint8(%(coupon_id)s)) AS locked;

-- name: unlock_rebuild
-- in:  coupon_id
SELECT pg_advisory_unlock(1668249711, hashint8(%(coupon_id)s));
