-- What has become of issued coupons: their counts, changes that do not fit, and the changes of one.

-- name: count_lives
-- Reads every change once, and the issued coupons of the coupons that have one.
-- in:  coupon_id (null: all)
-- out: coupon_id, issued, active, used, expired, revoked of each coupon of which an issued coupon was changed; issued is
--      counted from the issued coupons, the others from the last change of each, so that errors show
WITH last AS (
  SELECT DISTINCT ON (h.user_id, h.coupon_id) h.user_id, h.coupon_id, h.to_state
    FROM issued_coupon_change h
   WHERE h.coupon_id = coalesce(%(coupon_id)s::bigint, h.coupon_id)
   ORDER BY h.user_id, h.coupon_id, h.change_number DESC
), issued AS (
  SELECT i.user_id, i.coupon_id,
         coalesce(coupon_expires_at(i.issued_at, c.valid_for_days, c.valid_until) <= now(), false) AS is_over
    FROM issued_coupon i
    JOIN coupon c USING (coupon_id)
   WHERE i.coupon_id IN (SELECT coupon_id FROM last)
), life AS (
  SELECT coupon_id, i.user_id IS NOT NULL AS is_issued,
         CASE WHEN coalesce(n.to_state, 'active') = 'active' AND i.is_over THEN 'expired'
              ELSE coalesce(n.to_state, 'active') END AS state
    FROM issued i
    FULL JOIN last n USING (user_id, coupon_id)
)
SELECT coupon_id, count(*) FILTER (WHERE is_issued) AS issued,
       count(*) FILTER (WHERE state = 'active') AS active, count(*) FILTER (WHERE state = 'used') AS used,
       count(*) FILTER (WHERE state = 'expired') AS expired, count(*) FILTER (WHERE state = 'revoked') AS revoked
  FROM life GROUP BY coupon_id ORDER BY coupon_id;

-- name: find_wrong_changes
-- Changes that no program of this project writes, of issued coupons that are not there too: the ledger was restored in
-- part, or corrected by hand. Reads every change once.
-- in:  coupon_id (null: any), most (rows)
-- out: coupon_id, user_id, why (not_issued, broken_chain or late_use), change_number, from_state, to_state, before (the
--      state in which the change before ended), changed_at, expires_at: the first wrong change of each issued coupon
WITH chain AS (
  SELECT h.coupon_id, h.user_id, h.change_number, h.from_state, h.to_state, h.changed_at,
         h.from_state = 'used' AND h.order_reference IS DISTINCT FROM lag(h.order_reference) OVER changes AS of_another,
         row_number() OVER changes AS expected_number, lag(h.to_state, 1, 'active') OVER changes AS before
    FROM issued_coupon_change h
   WHERE h.coupon_id = coalesce(%(coupon_id)s::bigint, h.coupon_id)
  WINDOW changes AS (PARTITION BY h.user_id, h.coupon_id ORDER BY h.change_number)
), found AS (
  SELECT n.*, e.expires_at,
         CASE WHEN i.user_id IS NULL THEN 'not_issued'
              WHEN n.change_number <> n.expected_number OR n.from_state <> n.before OR n.of_another THEN 'broken_chain'
              WHEN n.to_state = 'used' AND n.changed_at >= e.expires_at THEN 'late_use' END AS why
    FROM chain n
    LEFT JOIN issued_coupon i USING (user_id, coupon_id)
    LEFT JOIN coupon c ON c.coupon_id = n.coupon_id
   CROSS JOIN LATERAL (SELECT coupon_expires_at(i.issued_at, c.valid_for_days, c.valid_until) AS expires_at) AS e
)
SELECT DISTINCT ON (user_id, coupon_id)
       coupon_id, user_id, why, change_number, from_state, to_state, before, changed_at, expires_at
  FROM found
 WHERE why IS NOT NULL
 ORDER BY user_id, coupon_id, change_number
 LIMIT %(most)s;

-- name: read_life
-- in:  user_id, coupon_id, most (changes)
-- out: expires_at (null: never), changes (in the first row: how many there are), and of the last ones, the newest first: change_number,
--      from_state, to_state, changed_at, changed_by, order_reference, reason, all null when there is none; no row: it is
--      not issued
SELECT coupon_expires_at(i.issued_at, c.valid_for_days, c.valid_until) AS expires_at,
       coalesce(h.change_number, 0) AS changes,  -- of the newest, the first row
       h.change_number, h.from_state, h.to_state, h.changed_at, h.changed_by, h.order_reference, h.reason
  FROM issued_coupon i
  JOIN coupon c USING (coupon_id)
  LEFT JOIN LATERAL (
    SELECT n.change_number, n.from_state, n.to_state, n.changed_at, n.changed_by, n.order_reference, n.reason
      FROM issued_coupon_change n
     WHERE n.user_id = i.user_id AND n.coupon_id = i.coupon_id
     ORDER BY n.change_number DESC
     LIMIT %(most)s
  ) AS h ON true
 WHERE i.user_id = %(user_id)s AND i.coupon_id = %(coupon_id)s
 ORDER BY h.change_number DESC;
