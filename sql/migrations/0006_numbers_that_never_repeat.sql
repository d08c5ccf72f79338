-- Epochs and versions of a coupon never repeat, also when the ledger goes back in time.
-- depends: 0005_dead_letters

-- The next number after the last one. It is at least the time in microseconds: so a ledger that was restored, or
-- failed over to a standby without the latest numbers, continues with numbers that were never used.
CREATE FUNCTION coupon_next_number(last bigint) RETURNS bigint
  LANGUAGE sql VOLATILE
  RETURN greatest(last + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
REVOKE ALL ON FUNCTION coupon_next_number(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coupon_next_number(bigint) TO coupon_api, coupon_reconciler;

-- A coupon that was lost may be created again with its old id.
ALTER TABLE coupon
  ALTER COLUMN version SET DEFAULT coupon_next_number(0),
  ALTER COLUMN gate_epoch SET DEFAULT coupon_next_number(0);
COMMENT ON COLUMN coupon.version IS 'Grows with each change of the definition and is never given out twice, so that the gate never takes another one for the same.';
COMMENT ON COLUMN coupon.gate_epoch IS 'Grows with each rebuild of the gate and is never given out twice. A request admitted under another epoch is not accepted.';
