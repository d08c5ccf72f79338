-- Rehearsals: coupons with synthetic users, of which nothing is left after a purge.

-- name: begin_rehearsal
-- As coupon_ops.
-- in:  name, total_quantity, acted_by
-- out: the coupon
SELECT coupon_id, name, total_quantity, issued_count, rejected_count, issue_starts_at, issue_ends_at,
       state, eligible_group, version, gate_epoch, created_at
  FROM begin_rehearsal(%(name)s, %(total_quantity)s, %(acted_by)s);

-- name: find_rehearsal
-- in:  coupon_id
-- out: coupon_id, begun_at, purged_at, counts, log_forgets_at
SELECT coupon_id, begun_at, purged_at, counts, log_forgets_at
  FROM rehearsal WHERE coupon_id = %(coupon_id)s;

-- name: list_rehearsals
-- out: the same of all, the newest first
SELECT coupon_id, begun_at, purged_at, counts, log_forgets_at
  FROM rehearsal ORDER BY begun_at DESC, coupon_id DESC;

-- name: count_rows_of_coupon
-- in:  coupon_id
-- out: table_name, row_count of every table with a column coupon_id, but `rehearsal`
SELECT table_name, row_count FROM count_rows_of_coupon(%(coupon_id)s);

-- name: purge_rehearsal
-- in:  coupon_id, acted_by, log_keeps (null: for good)
-- out: why: null: done
SELECT why FROM purge_rehearsal(%(coupon_id)s, %(acted_by)s, %(log_keeps)s);

-- name: has_rehearsals
-- Processes run before `coupon migrate`, too.
-- out: whether there is the table
SELECT to_regclass('public.rehearsal') IS NOT NULL;

-- name: find_purged
-- in:  coupon_ids
-- out: coupon_id of those that were purged
SELECT coupon_id FROM rehearsal WHERE coupon_id = ANY(%(coupon_ids)s::bigint[]) AND purged_at IS NOT NULL;
