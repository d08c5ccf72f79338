-- Requests that are not final yet.

-- name: read_clock
-- out: now_us, this server's clock in microseconds since 1970
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us;

-- name: stream_unfinished
-- in:  coupon_id
-- out: user_id, requested_at of every request that is not final
SELECT r.user_id, r.requested_at
  FROM coupon_issue_request r
 WHERE r.coupon_id = %(coupon_id)s
   AND NOT EXISTS (SELECT FROM issued_coupon i WHERE i.user_id = r.user_id AND i.coupon_id = r.coupon_id)
   AND NOT EXISTS (SELECT FROM issue_rejection j WHERE j.coupon_id = r.coupon_id AND j.user_id = r.user_id);
