-- Issue requests: accept and read.

-- name: accept_requests
-- Writes a batch of admitted claims, in key order, so that two batches cannot deadlock. A claim whose coupon does
-- not exist, or that was admitted under another gate_epoch, is not written. An existing row stays as it is. After
-- the commit of this statement, every claim of a coupon that it returns is a committed row.
-- in:  coupon_ids, epochs (one each a coupon); request_coupon_ids, user_ids, requested_at_us (one each a claim)
-- out: coupon_id of each coupon whose claims are accepted
WITH open_coupon AS (
  SELECT c.coupon_id
    FROM coupon c
    JOIN unnest(%(coupon_ids)s::bigint[], %(epochs)s::bigint[]) AS e (coupon_id, epoch)
      ON e.coupon_id = c.coupon_id AND e.epoch = c.gate_epoch
     FOR KEY SHARE OF c
), accepted AS (
  INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)
  SELECT r.coupon_id, r.user_id, timestamptz 'epoch' + r.requested_at_us * interval '1 microsecond'
    FROM unnest(%(request_coupon_ids)s::bigint[], %(user_ids)s::bigint[], %(requested_at_us)s::bigint[])
         AS r (coupon_id, user_id, requested_at_us)
    JOIN open_coupon o ON o.coupon_id = r.coupon_id
   ORDER BY r.coupon_id, r.user_id
  ON CONFLICT (coupon_id, user_id) DO NOTHING
)
SELECT coupon_id FROM open_coupon;

-- name: find_requests
-- in:  coupon_ids, user_ids (pairs)
-- out: coupon_id, user_id, requested_at, status, reason of those that exist
SELECT v.coupon_id, v.user_id, v.requested_at, v.status, v.reason
  FROM unnest(%(coupon_ids)s::bigint[], %(user_ids)s::bigint[]) AS k (coupon_id, user_id)
  JOIN issue_request v ON v.coupon_id = k.coupon_id AND v.user_id = k.user_id;

-- name: find_requests_of_user
-- Each coupon costs a read of an index. Archived ones are left out: each of their requests is final.
-- in:  user_id, most (coupons)
-- out: coupon_id, user_id, requested_at, status, reason of the user's requests for the coupons that started last
SELECT v.coupon_id, v.user_id, v.requested_at, v.status, v.reason
  FROM (SELECT coupon_id FROM coupon
         WHERE admin_state IS NULL AND issue_starts_at <= now()
         ORDER BY issue_starts_at DESC, coupon_id DESC
         LIMIT %(most)s) AS c
  JOIN issue_request v ON v.coupon_id = c.coupon_id AND v.user_id = %(user_id)s
 ORDER BY v.requested_at, v.coupon_id;

-- name: find_timed_request
-- in:  coupon_id, user_id
-- out: coupon_id, user_id, requested_at, status, reason, final_at (null: not final)
SELECT v.coupon_id, v.user_id, v.requested_at, v.status, v.reason, coalesce(v.issued_at, v.rejected_at) AS final_at
  FROM issue_request v
 WHERE v.coupon_id = %(coupon_id)s AND v.user_id = %(user_id)s;

-- name: find_unwritten_users
-- in:  coupon_id, user_ids
-- out: user_id of those that have no request for this coupon
SELECT k.user_id
  FROM unnest(%(user_ids)s::bigint[]) AS k (user_id)
 WHERE NOT EXISTS (SELECT FROM coupon_issue_request r WHERE r.coupon_id = %(coupon_id)s AND r.user_id = k.user_id);

-- name: find_unrequested
-- in:  coupon_id, user_ids (null: all)
-- out: user_id, requested_at, status, reason of outcomes that have no request row
SELECT o.user_id, o.requested_at, o.status, o.reason
  FROM (SELECT coupon_id, user_id, requested_at, 'ISSUED' AS status, NULL AS reason FROM issued_coupon
        UNION ALL
        SELECT coupon_id, user_id, requested_at, 'REJECTED', reason FROM issue_rejection) AS o
 WHERE o.coupon_id = %(coupon_id)s
   AND (%(user_ids)s::bigint[] IS NULL OR o.user_id = ANY(%(user_ids)s::bigint[]))
   AND NOT EXISTS (SELECT FROM coupon_issue_request r WHERE r.coupon_id = o.coupon_id AND r.user_id = o.user_id)
 ORDER BY o.user_id;

-- name: operate_lost_requests
-- Writes the request row of each outcome that has none, as coupon_ops.
-- in:  coupon_id
SELECT operate_lost_requests(%(coupon_id)s);

-- name: stream_requests
-- All requests of a coupon, for a rebuild of the gate.
-- in:  coupon_id
-- out: coupon_id, user_id, requested_at, status, reason
SELECT r.coupon_id, r.user_id, r.requested_at,
       CASE WHEN i.user_id IS NOT NULL THEN 'ISSUED' WHEN j.user_id IS NOT NULL THEN 'REJECTED' ELSE 'REQUESTED' END AS status,
       j.reason
  FROM coupon_issue_request r
  LEFT JOIN issued_coupon i ON i.user_id = r.user_id AND i.coupon_id = r.coupon_id
  LEFT JOIN issue_rejection j ON j.coupon_id = r.coupon_id AND j.user_id = r.user_id
 WHERE r.coupon_id = %(coupon_id)s;

-- name: count_requests
-- The counts of one coupon, from its rows and not from counters.
-- in:  coupon_id
-- out: total_quantity, accepted, issued, rejected, in_flight, each counted separately, so that errors show;
--      issued_count, rejected_count: the counters of the coupon's row
SELECT c.total_quantity,
       (SELECT count(*) FROM coupon_issue_request WHERE coupon_id = c.coupon_id) AS accepted,
       (SELECT count(*) FROM issued_coupon WHERE coupon_id = c.coupon_id) AS issued,
       (SELECT count(*) FROM issue_rejection WHERE coupon_id = c.coupon_id) AS rejected,
       (SELECT count(*) FROM issue_request WHERE coupon_id = c.coupon_id AND status = 'REQUESTED') AS in_flight,
       c.issued_count, c.rejected_count
  FROM coupon c WHERE c.coupon_id = %(coupon_id)s;
