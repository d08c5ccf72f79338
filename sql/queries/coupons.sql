-- Coupons: create, read, change.

-- name: create_coupon
-- steps: how many ids of the sequence are used up for one; more than 1 leaps over ids that were chosen ahead of it.
-- in:  coupon_id (null: the next of the sequence), steps, name, total_quantity, issue_starts_at (null: now), issue_ends_at, eligible_group
-- out: the coupon; no row when the id is taken
INSERT INTO coupon AS c (coupon_id, name, total_quantity, issue_starts_at, issue_ends_at, eligible_group)
VALUES (coalesce(%(coupon_id)s::bigint, (SELECT max(nextval('coupon_id_seq')) FROM generate_series(1, %(steps)s))), %(name)s, %(total_quantity)s,
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
-- Changes the columns that are named in `given`. Null is no end, and no group; as a start it is now, unless the
-- coupon has started before. Stock may be lowered to what is issued already, not below (coupon_never_oversold); a
-- closed coupon stays closed.
-- in:  coupon_id, given (names of columns), name, total_quantity, issue_starts_at, issue_ends_at, eligible_group, state
-- out: the coupon as changed; no row when there is none or it is closed
UPDATE coupon
   SET name = CASE WHEN 'name' = ANY (%(given)s::text[]) THEN %(name)s ELSE name END,
       total_quantity = CASE WHEN 'total_quantity' = ANY (%(given)s::text[]) THEN %(total_quantity)s ELSE total_quantity END,
       issue_starts_at = CASE WHEN 'issue_starts_at' = ANY (%(given)s::text[])
                              THEN coalesce(%(issue_starts_at)s::timestamptz, least(issue_starts_at, now()))
                              ELSE issue_starts_at END,
       issue_ends_at = CASE WHEN 'issue_ends_at' = ANY (%(given)s::text[]) THEN %(issue_ends_at)s::timestamptz ELSE issue_ends_at END,
       eligible_group = CASE WHEN 'eligible_group' = ANY (%(given)s::text[]) THEN %(eligible_group)s ELSE eligible_group END,
       state = CASE WHEN 'state' = ANY (%(given)s::text[]) THEN %(state)s ELSE state END,
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
