-- Receipts of issued coupons.

-- name: find_coupon_of_receipt
-- in:  user_id, coupon_id
-- out: coupon_name, issued_at, expires_at (null: never), state, discount (null: none)
SELECT coupon_name, issued_at, expires_at, state, discount
  FROM owned_coupon
 WHERE user_id = %(user_id)s AND coupon_id = %(coupon_id)s;
