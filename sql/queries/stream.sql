-- The change stream, as the ledger's server sees it.

-- name: look_at_slot
-- in:  slot (its name)
-- out: now_us (this server's clock, microseconds since 1970), active, wal_status (null: there is no such slot),
--      behind_bytes (WAL that its reader has not confirmed)
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us, s.active, s.wal_status,
       pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)::bigint AS behind_bytes
  FROM (SELECT) AS always
  LEFT JOIN pg_replication_slots s ON s.slot_name = %(slot)s;

-- name: stream_unfinished
-- in:  coupon_id
-- out: user_id, requested_at of every request that is not final
SELECT r.user_id, r.requested_at
  FROM coupon_issue_request r
 WHERE r.coupon_id = %(coupon_id)s
   AND NOT EXISTS (SELECT FROM issued_coupon i WHERE i.user_id = r.user_id AND i.coupon_id = r.coupon_id)
   AND NOT EXISTS (SELECT FROM issue_rejection j WHERE j.coupon_id = r.coupon_id AND j.user_id = r.user_id);
