-- Requests that were erased, while Kafka still has their records. Also as coupon_monitor.

-- name: find_erased_requests
-- in:  coupon_ids, user_ids (pairs)
-- out: coupon_id, user_id, requested_at, erased_at of those that were erased
SELECT t.coupon_id, t.user_id, t.requested_at, e.erased_at
  FROM unnest(%(coupon_ids)s::bigint[], %(user_ids)s::bigint[]) AS k (coupon_id, user_id)
  JOIN erased_request t ON t.coupon_id = k.coupon_id AND t.user_id = k.user_id
  JOIN erasure e USING (erasure_id);

-- name: count_early_proofs
-- An hour is left for the time between the clocks.
-- in:  log_keeps (null: for good)
-- out: proofs that say that Kafka has deleted everything at a time when it still keeps it
SELECT count(*) FROM erasure
 WHERE log_forgets_at IS NOT NULL
   AND (%(log_keeps)s::interval IS NULL
        OR log_forgets_at < erased_at + %(log_keeps)s::interval - interval '1 hour'
           AND erased_at + %(log_keeps)s::interval > now());
