-- Codes of coupons: choose their kind, upload a pool, give one, find one.

-- name: choose_codes
-- in:  coupon_id, kind (none, made, pool), acted_by
-- out: outcome (done, not_found, exist, busy)
SELECT choose_codes(%(coupon_id)s, %(kind)s, %(acted_by)s);

-- name: read_codes
-- in:  coupon_id
-- out: kind, total_quantity, pool_size, given; no row when there is no such coupon
SELECT coalesce(s.kind, 'none') AS kind, c.total_quantity, coalesce(s.pool_size, 0) AS pool_size,
       (SELECT count(*) FROM coupon_code k WHERE k.coupon_id = c.coupon_id AND k.user_id IS NOT NULL) AS given
  FROM coupon c
  LEFT JOIN coupon_codes s USING (coupon_id)
 WHERE c.coupon_id = %(coupon_id)s;

-- name: begin_pool_upload
-- in:  coupon_id
-- out: outcome (begun, not_found, other_kind, busy)
SELECT begin_pool_upload(%(coupon_id)s);

-- name: add_pool_codes
-- in:  coupon_id, codes
-- out: code_key of those that were added
SELECT code_key FROM add_pool_codes(%(coupon_id)s, %(codes)s::text[]) AS a (code_key);

-- name: list_uploaded_before
-- Within an upload.
-- in:  coupon_id, keys
-- out: code_key of those that this upload added
SELECT code_key FROM coupon_code
 WHERE code_key = ANY (%(keys)s::text[]) AND coupon_id = %(coupon_id)s AND added_at = now();

-- name: end_pool_upload
-- in:  coupon_id, added (how many codes), acted_by
SELECT end_pool_upload(%(coupon_id)s, %(added)s, %(acted_by)s);

-- name: remove_free_codes
-- in:  coupon_id, acted_by
-- out: outcome (done, not_found, other_kind, busy), removed (how many)
SELECT outcome, removed FROM remove_free_codes(%(coupon_id)s, %(acted_by)s);

-- name: give_code
-- in:  user_id, coupon_id, offered (a new code, for coupons whose codes are made)
-- out: outcome (see give_code in the migrations), given (the code, or null)
SELECT outcome, given FROM give_code(%(user_id)s, %(coupon_id)s, %(offered)s);

-- name: find_code
-- in:  key (of a code, as code_key computes it)
-- out: code, user_id, coupon_id, state, expires_at (null: never), discount (as the text of JSON); no row when there
--      is no such code, or nobody has it
SELECT k.code, k.user_id, k.coupon_id, o.state, o.expires_at, o.discount::text AS discount
  FROM coupon_code k
  JOIN owned_coupon o ON o.user_id = k.user_id AND o.coupon_id = k.coupon_id
 WHERE k.code_key = %(key)s;

-- name: count_pools
-- Pools of coupons that are not over.
-- out: their count
SELECT count(*)
  FROM coupon_codes s
  JOIN coupon c USING (coupon_id)
 WHERE s.kind = 'pool' AND c.state <> 'closed'
   AND (c.issue_ends_at IS NULL OR c.issue_ends_at > now());

-- name: list_short_pools
-- Pools of coupons that are not over, with fewer codes than the coupon's total.
-- out: coupon_id, missing, opens (time in UTC, as text), is_open (its start has passed)
SELECT c.coupon_id, c.total_quantity - s.pool_size AS missing,
       to_char(c.issue_starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS opens,
       c.issue_starts_at <= now() AS is_open
  FROM coupon_codes s
  JOIN coupon c USING (coupon_id)
 WHERE s.kind = 'pool' AND s.pool_size < c.total_quantity AND c.state <> 'closed'
   AND (c.issue_ends_at IS NULL OR c.issue_ends_at > now())
 ORDER BY c.issue_starts_at, c.coupon_id;
