-- Issued coupons as their users have them: what became of them, and changing that.

-- name: list_owned_coupons
-- in:  user_id, state (null: any), coupon_id (null: any), after_issued_at, after_coupon_id (null: the first page), page_size
-- out: the user's coupons, newest first; discount and metadata: as the text of JSON
SELECT user_id, coupon_id, coupon_name, requested_at, issued_at, expires_at, state, changed_at, order_reference, reason,
       discount::text AS discount, metadata::text AS metadata
  FROM owned_coupon
 WHERE user_id = %(user_id)s
   AND (%(coupon_id)s::bigint IS NULL OR coupon_id = %(coupon_id)s::bigint)
   AND (%(state)s::text IS NULL OR state = %(state)s::text)
   AND (%(after_issued_at)s::timestamptz IS NULL
        OR (issued_at, coupon_id) < (%(after_issued_at)s::timestamptz, %(after_coupon_id)s::bigint))
 ORDER BY issued_at DESC, coupon_id DESC
 LIMIT %(page_size)s;

-- name: find_owned_coupon
-- in:  user_id, coupon_id
-- out: the coupon, or no row
SELECT user_id, coupon_id, coupon_name, requested_at, issued_at, expires_at, state, changed_at, order_reference, reason,
       discount::text AS discount, metadata::text AS metadata
  FROM owned_coupon WHERE user_id = %(user_id)s AND coupon_id = %(coupon_id)s;

-- name: change_owned_coupons
-- Changes many in one transaction, in the order of their key. One that somebody else has locked is left as it is.
-- in:  user_ids, coupon_ids, changes (use, cancel_use, revoke), order_references, reasons, changed_by (one each a change)
-- out: number of the change from 1, outcome (see change_issued_coupon, or 'locked'), and the coupon as it is then; no row
--      when there is none
WITH changed AS MATERIALIZED (
  SELECT *
    FROM change_issued_coupons(%(user_ids)s::bigint[], %(coupon_ids)s::bigint[], %(changes)s::text[],
                               %(order_references)s::text[], %(reasons)s::text[], %(changed_by)s::text[])
)
SELECT number, outcome, (coupon).user_id, (coupon).coupon_id, (coupon).coupon_name, (coupon).requested_at, (coupon).issued_at,
       (coupon).expires_at, (coupon).state, (coupon).changed_at, (coupon).order_reference, (coupon).reason,
       (coupon).discount::text AS discount, (coupon).metadata::text AS metadata
  FROM changed
 UNION ALL
SELECT w.number, 'locked', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM unnest(%(user_ids)s::bigint[], %(coupon_ids)s::bigint[]) WITH ORDINALITY AS w (user_id, coupon_id, number)
  JOIN issued_coupon i USING (user_id, coupon_id)
 WHERE NOT EXISTS (SELECT FROM changed c WHERE c.number = w.number);

-- name: list_changes
-- in:  user_id, coupon_id, after_number (0: from the first), page_size
-- out: the changes of one issued coupon, oldest first
SELECT change_number, from_state, to_state, changed_at, changed_by, order_reference, reason
  FROM issued_coupon_change
 WHERE user_id = %(user_id)s AND coupon_id = %(coupon_id)s AND change_number > %(after_number)s
 ORDER BY change_number
 LIMIT %(page_size)s;

-- name: list_expiry_due
-- out: coupon_id of coupons in which something may have expired
SELECT coupon_id FROM coupon_with_expiry_due ORDER BY coupon_id;

-- name: expire_issued_coupons
-- in:  coupon_id, page_size
-- out: read_rows, expired_rows, is_done
SELECT read_rows, expired_rows, is_done FROM expire_issued_coupons(%(coupon_id)s, %(page_size)s);
