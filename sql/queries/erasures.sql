-- Erasures of users: what there is to erase, the erasure, its proof, and what has to be erased again.

-- name: find_requests_to_erase
-- Each coupon costs a read of an index. An outcome whose request row is missing is there too.
-- in:  user_id
-- out: coupon_id, user_id, requested_at, status, reason of all requests of the user
SELECT coalesce(r.coupon_id, i.coupon_id, j.coupon_id) AS coupon_id, %(user_id)s::bigint AS user_id,
       coalesce(r.requested_at, i.requested_at, j.requested_at) AS requested_at,
       CASE WHEN i.user_id IS NOT NULL THEN 'ISSUED' WHEN j.user_id IS NOT NULL THEN 'REJECTED' ELSE 'REQUESTED' END AS status,
       j.reason
  FROM coupon c
  LEFT JOIN LATERAL (SELECT * FROM coupon_issue_request
                      WHERE coupon_id = c.coupon_id AND user_id = %(user_id)s LIMIT 1) AS r ON true
  LEFT JOIN LATERAL (SELECT * FROM issued_coupon
                      WHERE coupon_id = c.coupon_id AND user_id = %(user_id)s LIMIT 1) AS i ON true
  LEFT JOIN LATERAL (SELECT * FROM issue_rejection
                      WHERE coupon_id = c.coupon_id AND user_id = %(user_id)s LIMIT 1) AS j ON true
 WHERE r.user_id IS NOT NULL OR i.user_id IS NOT NULL OR j.user_id IS NOT NULL
 ORDER BY c.coupon_id;

-- name: erase_user
-- in:  user_id, coupon_ids, asked_by, log_keeps (null: for good)
-- out: made (the erasure), or why nothing was done: in_flight, rebuilding
SELECT made, why FROM erase_user(%(user_id)s, %(coupon_ids)s::bigint[], %(asked_by)s, %(log_keeps)s::interval);

-- name: erase_user_again
-- in:  user_id, coupon_ids (of requests that a record brought back), erasure_id
-- out: why nothing was done: in_flight, rebuilding; null: it was
SELECT erase_user_again(%(user_id)s, %(coupon_ids)s::bigint[], %(erasure_id)s) AS why;

-- name: find_replaced
-- in:  user_id
-- out: coupon_id, requested_at, status, reason, replaced_by of requests that the gate may still have under the user's id
SELECT t.coupon_id, t.requested_at, CASE WHEN j.user_id IS NULL THEN 'ISSUED' ELSE 'REJECTED' END AS status,
       j.reason, t.replaced_by
  FROM erased_request t
  LEFT JOIN issue_rejection j ON j.coupon_id = t.coupon_id AND j.user_id = t.replaced_by
 WHERE t.user_id = %(user_id)s AND t.replaced_by IS NOT NULL
 ORDER BY t.coupon_id;

-- name: end_erasure
-- in:  user_id (0: of nobody, and the gate has every list as the ledger has it); coupon_ids and replaced_by (one each a
--      request that the gate has replaced); late_s (for so long, marks of the user may come)
SELECT end_erasure(%(user_id)s, %(coupon_ids)s::bigint[], %(replaced_by)s::bigint[], make_interval(secs => %(late_s)s));

-- name: find_erasure
-- in:  erasure_id
-- out: erasure_id, erased_at, asked_by, counts, at_gate_since, log_forgets_at, repeated; no row: there is none
SELECT erasure_id, erased_at, asked_by, counts, at_gate_since, log_forgets_at, repeated
  FROM erasure WHERE erasure_id = %(erasure_id)s;

-- name: list_returned
-- Users of whom a record of Kafka brought something back, of whom the gate has not forgotten everything, or of whom a
-- mark may still come. A request that the user has made since then is not one that came back.
-- in:  older_s (erasures that ended in the ledger so many seconds ago; younger ones are under way)
-- out: user_id, erasure_id, coupon_ids of the requests that are there again, cut_off (the gate is missing)
SELECT t.user_id, t.erasure_id, coalesce(array_agg(t.coupon_id ORDER BY t.coupon_id) FILTER (WHERE b.is_back), '{}') AS coupon_ids,
       coalesce(bool_or(t.replaced_by IS NOT NULL AND t.at_gate_since IS NULL), false) AS cut_off
  FROM erased_request t
  JOIN erasure e USING (erasure_id)
 CROSS JOIN LATERAL (
   SELECT (EXISTS (SELECT FROM issued_coupon i
                    WHERE i.user_id = t.user_id AND i.coupon_id = t.coupon_id AND i.requested_at = t.requested_at)
           OR EXISTS (SELECT FROM issue_rejection j
                       WHERE j.coupon_id = t.coupon_id AND j.user_id = t.user_id AND j.requested_at = t.requested_at))
          AND NOT EXISTS (SELECT FROM coupon_issue_request r
                           WHERE r.coupon_id = t.coupon_id AND r.user_id = t.user_id AND r.requested_at <> t.requested_at)
            AS is_back) AS b
 WHERE b.is_back
    OR t.replaced_by IS NOT NULL
       AND (t.at_gate_since IS NOT NULL OR e.erased_at < now() - make_interval(secs => %(older_s)s))
 GROUP BY t.user_id, t.erasure_id;

-- name: forget_erased_requests
-- out: how many
SELECT forget_erased_requests();
