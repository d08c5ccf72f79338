-- Coupons: create, read, change.

-- name: create_coupon
-- in:  coupon_id (null: the next free one), name, total_quantity, issue_starts_at (null: now), issue_ends_at, eligible_group
-- out: the coupon; no row when the id is taken
INSERT INTO coupon AS c (coupon_id, name, total_quantity, issue_starts_at, issue_ends_at, eligible_group)
VALUES (coalesce(%(coupon_id)s::bigint, nextval('coupon_id_seq')), %(name)s, %(total_quantity)s,
        coalesce(%(issue_starts_at)s::timestamptz, now()), %(issue_ends_at)s::timestamptz, %(eligible_group)s)
ON CONFLICT (coupon_id) DO NOTHING
RETURNING c.*;

-- name: find_coupon
-- in:  coupon_id
-- out: the coupon, or no row
SELECT * FROM coupon WHERE coupon_id = %(coupon_id)s;

-- name: list_coupons
-- out: every coupon that could still admit a claim or answer for one, by id
SELECT * FROM coupon ORDER BY coupon_id;

-- name: list_coupon_ids
-- For when a row of list_coupons cannot be read, and the others have to be.
-- out: every coupon_id, in order
SELECT coupon_id FROM coupon ORDER BY coupon_id;

-- name: change_coupon
-- Changes what is given and keeps what is null. Stock may be lowered to what is issued already, not below
-- (coupon_never_oversold); a closed coupon stays closed.
-- in:  coupon_id, name, total_quantity, issue_starts_at, issue_ends_at, state
-- out: the coupon as changed; no row when there is none or it is closed
UPDATE coupon
   SET name = coalesce(%(name)s, name),
       total_quantity = coalesce(%(total_quantity)s, total_quantity),
       issue_starts_at = coalesce(%(issue_starts_at)s::timestamptz, issue_starts_at),
       issue_ends_at = coalesce(%(issue_ends_at)s::timestamptz, issue_ends_at),
       state = coalesce(%(state)s, state),
       version = coupon_next_number(version)
 WHERE coupon_id = %(coupon_id)s AND state <> 'closed'
RETURNING *;

-- name: begin_gate_epoch
-- Fences every claim admitted so far: FOR UPDATE waits for the accept_requests that hold FOR KEY SHARE, and
-- those that come later find another epoch and insert nothing.
-- in:  coupon_id, above (an epoch that the gate has: the new one is greater)
-- out: the coupon with its new gate_epoch
WITH fenced AS (
  SELECT coupon_id FROM coupon WHERE coupon_id = %(coupon_id)s FOR UPDATE
)
UPDATE coupon c SET gate_epoch = coupon_next_number(greatest(c.gate_epoch, %(above)s::bigint)) FROM fenced f WHERE c.coupon_id = f.coupon_id
RETURNING c.*;
