-- Issued coupons: issue a batch.

-- name: lock_coupons
-- First statement of the issuing transaction. The next statement sees what the last lock holder committed.
-- in:  coupon_ids
-- out: coupon_id of those that exist
SELECT coupon_id FROM coupon WHERE coupon_id = ANY(%(coupon_ids)s::bigint[]) ORDER BY coupon_id FOR NO KEY UPDATE;

-- name: issue_requests
-- Second statement: issues what fits the total, in the order of the requests, and rejects the rest. Requests that
-- are already final stay as they are and are returned again, so that a repeated batch repeats their marks.
-- in:  coupon_ids, user_ids, requested_at_us (one each a request)
-- out: coupon_id, user_id, requested_at_us, reason (null: issued), fresh (false: was final before)
WITH event AS (
  SELECT DISTINCT ON (coupon_id, user_id) coupon_id, user_id, requested_at_us,
         timestamptz 'epoch' + requested_at_us * interval '1 microsecond' AS requested_at
    FROM unnest(%(coupon_ids)s::bigint[], %(user_ids)s::bigint[], %(requested_at_us)s::bigint[])
         AS e (coupon_id, user_id, requested_at_us)
   ORDER BY coupon_id, user_id, requested_at_us
), known AS (
  -- No joins: as long as the tables are small, their plan would read them from end to end, and it is kept.
  SELECT e.*,
         (SELECT true FROM issued_coupon i WHERE i.user_id = e.user_id AND i.coupon_id = e.coupon_id) IS TRUE AS was_issued,
         (SELECT j.reason FROM issue_rejection j WHERE j.coupon_id = e.coupon_id AND j.user_id = e.user_id) AS rejection
    FROM event e
), decided AS (
  SELECT k.coupon_id, k.user_id, k.requested_at,
         row_number() OVER (PARTITION BY k.coupon_id ORDER BY k.requested_at, k.user_id)
           <= c.total_quantity - c.issued_count AS fits
    FROM known k
    JOIN coupon c USING (coupon_id)
   WHERE NOT k.was_issued AND k.rejection IS NULL
), issued AS (
  INSERT INTO issued_coupon (user_id, coupon_id, requested_at)
  SELECT user_id, coupon_id, requested_at FROM decided WHERE fits ORDER BY user_id, coupon_id
  ON CONFLICT ON CONSTRAINT issued_once_per_user DO NOTHING
  RETURNING coupon_id
), rejected AS (
  INSERT INTO issue_rejection (coupon_id, user_id, requested_at, reason)
  SELECT coupon_id, user_id, requested_at, 'sold_out' FROM decided WHERE NOT fits ORDER BY coupon_id, user_id
  ON CONFLICT (coupon_id, user_id) DO NOTHING
  RETURNING coupon_id
), counted AS (
  UPDATE coupon c
     SET issued_count = c.issued_count + n.issued, rejected_count = c.rejected_count + n.rejected
    FROM (SELECT coupon_id, count(*) FILTER (WHERE was_issued) AS issued, count(*) FILTER (WHERE NOT was_issued) AS rejected
            FROM (SELECT coupon_id, true AS was_issued FROM issued
                  UNION ALL SELECT coupon_id, false FROM rejected) AS outcome
           GROUP BY coupon_id) AS n
   WHERE c.coupon_id = n.coupon_id
)
SELECT k.coupon_id, k.user_id, k.requested_at_us,
       CASE WHEN k.was_issued OR d.fits THEN NULL ELSE coalesce(k.rejection, 'sold_out') END AS reason,
       d.user_id IS NOT NULL AS fresh
  FROM known k
  LEFT JOIN decided d USING (coupon_id, user_id)
 WHERE k.was_issued OR k.rejection IS NOT NULL OR d.user_id IS NOT NULL;
