-- What a rebuild of the gate writes, for the operators of the monitor's page. The role coupon_ops gets no right on the
-- tables: it can begin an epoch, and have rows written again that an outcome proves.
-- depends: 0011_audit

-- Fences every claim that was admitted so far, as the query begin_gate_epoch does. above: an epoch that the gate has.
-- One of the far future is not taken: no epoch could follow it. No row: there is no such coupon.
CREATE FUNCTION operate_gate_epoch(id bigint, above bigint) RETURNS SETOF coupon
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  WITH fenced AS (SELECT coupon_id FROM coupon WHERE coupon_id = id FOR UPDATE)
  UPDATE coupon c
     SET gate_epoch = coupon_next_number(greatest(c.gate_epoch, least(above, coupon_next_number(0) + 86400000000)))
    FROM fenced f WHERE c.coupon_id = f.coupon_id
  RETURNING c.*
  $$;
REVOKE ALL ON FUNCTION operate_gate_epoch(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION operate_gate_epoch(bigint, bigint) TO coupon_ops;

-- Writes the request row of each outcome that has none; an outcome has all the fields of its request.
CREATE FUNCTION operate_lost_requests(id bigint) RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)
  SELECT coupon_id, user_id, requested_at FROM issued_coupon WHERE coupon_id = id
  UNION ALL
  SELECT coupon_id, user_id, requested_at FROM issue_rejection WHERE coupon_id = id
  ON CONFLICT (coupon_id, user_id) DO NOTHING
  $$;
REVOKE ALL ON FUNCTION operate_lost_requests(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION operate_lost_requests(bigint) TO coupon_ops;
