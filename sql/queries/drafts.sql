-- Drafts that are discarded.

-- name: discard_draft
-- in:  coupon_id, seen_versions (one of which it must have; null: whichever), acted_by
-- out: outcome (see the function in the migrations); state, of what is no draft; coupon_id, discarded_at, codes,
--      list_size, of what is discarded
SELECT outcome, its_state, (discarded).coupon_id, (discarded).discarded_at, (discarded).codes, (discarded).list_size
  FROM discard_draft(%(coupon_id)s, %(seen_versions)s::bigint[], %(acted_by)s);

-- name: has_discarded
-- Processes run before `coupon migrate`, too.
-- out: whether there is the table
SELECT to_regclass('public.discarded_coupon') IS NOT NULL;

-- name: find_discarded
-- in:  coupon_ids
-- out: coupon_id of those that were discarded, and are no coupons
SELECT coupon_id FROM discarded_coupon d
 WHERE coupon_id = ANY (%(coupon_ids)s::bigint[])
   AND NOT EXISTS (SELECT FROM coupon c WHERE c.coupon_id = d.coupon_id);
