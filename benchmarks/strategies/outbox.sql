-- The transactional outbox. Its requests have a table of their own, which Debezium does not stream.

-- name: create
CREATE TABLE IF NOT EXISTS outbox_request (LIKE coupon_issue_request INCLUDING ALL);
CREATE TABLE IF NOT EXISTS outbox (
  outbox_id       bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  coupon_id       bigint NOT NULL,
  user_id         bigint NOT NULL,
  requested_at_us bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
GRANT SELECT, INSERT, DELETE, UPDATE ON outbox_request, outbox TO coupon_api;

-- name: accept
-- Writes requests and their outbox rows in one transaction; existing requests stay as they are.
-- in:  coupon_ids, user_ids, requested_at_us (one each a claim)
WITH accepted AS (
  INSERT INTO outbox_request (coupon_id, user_id, requested_at)
  SELECT r.coupon_id, r.user_id, timestamptz 'epoch' + r.requested_at_us * interval '1 microsecond'
    FROM unnest(%(coupon_ids)s::bigint[], %(user_ids)s::bigint[], %(requested_at_us)s::bigint[])
         AS r (coupon_id, user_id, requested_at_us)
   ORDER BY r.coupon_id, r.user_id
  ON CONFLICT (coupon_id, user_id) DO NOTHING
  RETURNING coupon_id, user_id, requested_at
)
INSERT INTO outbox (coupon_id, user_id, requested_at_us)
SELECT coupon_id, user_id, (extract(epoch FROM requested_at) * 1000000)::bigint FROM accepted;

-- name: take
-- Takes a batch out of the outbox in this transaction; another publisher skips its rows.
-- in:  batch_size
-- out: coupon_id, user_id, requested_at_us
DELETE FROM outbox WHERE outbox_id = ANY(ARRAY(
  SELECT outbox_id FROM outbox ORDER BY outbox_id LIMIT %(batch_size)s FOR UPDATE SKIP LOCKED))
RETURNING coupon_id, user_id, requested_at_us;
