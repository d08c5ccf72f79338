-- Rows without their counterpart: no program of this project writes them, and no foreign key prevents them.

-- name: find_requests_without_coupon
-- Jumps from coupon to coupon along the key, so that the time depends on the number of coupons, not requests.
-- in:  coupon_id (null: any), most (rows)
-- out: coupon_id, user_id, requested_at_us
WITH RECURSIVE known AS (
  (SELECT coupon_id FROM coupon_issue_request
    WHERE coupon_id >= coalesce(%(coupon_id)s::bigint, coupon_id) ORDER BY coupon_id LIMIT 1)
  UNION ALL
  SELECT (SELECT r.coupon_id FROM coupon_issue_request r
           WHERE r.coupon_id > known.coupon_id ORDER BY r.coupon_id LIMIT 1)
    FROM known WHERE known.coupon_id IS NOT NULL
)
SELECT r.coupon_id, r.user_id, (extract(epoch FROM r.requested_at) * 1000000)::bigint AS requested_at_us
  FROM known JOIN coupon_issue_request r USING (coupon_id)
 WHERE NOT EXISTS (SELECT FROM coupon c WHERE c.coupon_id = known.coupon_id)
   AND known.coupon_id = coalesce(%(coupon_id)s::bigint, known.coupon_id)
 ORDER BY r.coupon_id, r.user_id LIMIT %(most)s;

-- name: find_outcomes_without_request
-- Reads every outcome.
-- in:  coupon_id (null: any), most (rows)
-- out: coupon_id, user_id, requested_at_us, status
SELECT o.coupon_id, o.user_id, (extract(epoch FROM o.requested_at) * 1000000)::bigint AS requested_at_us, o.status
  FROM (SELECT coupon_id, user_id, requested_at, 'ISSUED' AS status FROM issued_coupon
        UNION ALL
        SELECT coupon_id, user_id, requested_at, 'REJECTED' FROM issue_rejection) o
 WHERE o.coupon_id = coalesce(%(coupon_id)s::bigint, o.coupon_id)
   AND NOT EXISTS (SELECT FROM coupon_issue_request r WHERE r.coupon_id = o.coupon_id AND r.user_id = o.user_id)
 ORDER BY o.coupon_id, o.user_id LIMIT %(most)s;
