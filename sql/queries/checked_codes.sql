-- Whether the codes of issued coupons fit. None of this reads a code.

-- name: count_codes
-- Reads every code once, and the issued coupons of each pool.
-- in:  coupon_id (null: all)
-- out: coupon_id, kind, pool_size, in_pool, given, free, twice (codes that are there more than once), owed (issued
--      coupons that may ask for a code of a pool and have none) of each coupon that has codes; not of retired ones, whose
--      codes go page by page
WITH codes AS (
  SELECT s.coupon_id, s.kind, s.pool_size
    FROM coupon_codes s WHERE s.kind <> 'none' AND s.coupon_id = coalesce(%(coupon_id)s::bigint, s.coupon_id)
     AND NOT EXISTS (SELECT FROM retired_coupon r WHERE r.coupon_id = s.coupon_id AND r.exported_at IS NOT NULL)
), held AS (
  SELECT k.coupon_id, count(*) FILTER (WHERE k.kind = 'pool') AS in_pool,
         count(*) FILTER (WHERE k.user_id IS NOT NULL) AS given, count(*) FILTER (WHERE k.user_id IS NULL) AS free
    FROM coupon_code k WHERE k.coupon_id IN (SELECT coupon_id FROM codes) GROUP BY k.coupon_id
), owed AS (
  SELECT o.coupon_id, count(*) AS owed
    FROM owned_coupon o
   WHERE o.coupon_id IN (SELECT coupon_id FROM codes WHERE kind = 'pool') AND o.state IN ('active', 'used')
     AND NOT EXISTS (SELECT FROM coupon_code k WHERE k.coupon_id = o.coupon_id AND k.user_id = o.user_id)
   GROUP BY o.coupon_id
)
SELECT c.coupon_id, c.kind, c.pool_size, coalesce(h.in_pool, 0) AS in_pool, coalesce(h.given, 0) AS given,
       coalesce(h.free, 0) AS free, coalesce(t.twice, 0) AS twice, coalesce(o.owed, 0) AS owed
  FROM codes c
  LEFT JOIN held h USING (coupon_id)
  LEFT JOIN owed o USING (coupon_id)
  LEFT JOIN count_codes_twice(%(coupon_id)s::bigint) AS t (coupon_id, twice) USING (coupon_id)
 ORDER BY c.coupon_id;

-- name: find_wrong_codes
-- Codes that no program of this project gives: the ledger was restored in part, or corrected by hand. Reads every code.
-- in:  coupon_id (null: any), most (rows of each kind)
-- out: coupon_id, user_id, why (not_issued, two_codes, late_code or wrong_check), given_at, since (of a late code: when
--      its issued coupon was revoked or had expired; else null)
WITH given AS (
  SELECT k.coupon_id, k.user_id, min(k.given_at) AS given_at, max(k.given_at) AS last_at, count(*) AS codes
    FROM coupon_code k
   WHERE k.user_id IS NOT NULL AND k.coupon_id = coalesce(%(coupon_id)s::bigint, k.coupon_id)
   GROUP BY k.coupon_id, k.user_id
), found AS (
  SELECT g.coupon_id, g.user_id, g.given_at, g.last_at, r.since,
         CASE WHEN i.user_id IS NULL THEN 'not_issued'
              WHEN g.codes > 1 THEN 'two_codes'
              WHEN r.since IS NOT NULL THEN 'late_code' END AS why
    FROM given g
    LEFT JOIN issued_coupon i USING (user_id, coupon_id)
    LEFT JOIN coupon c ON c.coupon_id = g.coupon_id
   CROSS JOIN LATERAL (SELECT coupon_expires_at(i.issued_at, c.valid_for_days, c.valid_until) AS expires_at) AS e
    -- Its state when the code was given. Who asked just before it expired may have waited for a code that somebody else
    -- held. One that is used gets a code at any time.
    LEFT JOIN LATERAL (
      SELECT n.to_state, n.changed_at FROM issued_coupon_change n
       WHERE n.user_id = g.user_id AND n.coupon_id = g.coupon_id
         AND n.changed_at < g.last_at - CASE WHEN n.to_state = 'expired' THEN interval '1 minute' ELSE interval '0' END
       ORDER BY n.change_number DESC
       LIMIT 1) AS b ON true
   CROSS JOIN LATERAL (
     SELECT CASE WHEN b.to_state IN ('revoked', 'expired') THEN b.changed_at
                 WHEN coalesce(b.to_state, 'active') = 'active' AND e.expires_at + interval '1 minute' <= g.last_at
                 THEN e.expires_at END AS since) AS r
), wrong AS (
  SELECT coupon_id, user_id, why, last_at AS given_at, CASE WHEN why = 'late_code' THEN since END AS since
    FROM found WHERE why IS NOT NULL
   ORDER BY coupon_id, user_id LIMIT %(most)s
)
SELECT coupon_id, user_id, why, given_at, since FROM wrong
UNION ALL
SELECT f.coupon_id, f.user_id, 'wrong_check', NULL, NULL
  FROM find_codes_that_do_not_fit(%(coupon_id)s::bigint, %(most)s) AS f (coupon_id, user_id);
