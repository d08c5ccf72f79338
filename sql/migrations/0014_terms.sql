-- A coupon's terms: how long an issued coupon is valid, and data that the shop reads.
-- depends: 0013_logins_of_actions

ALTER TABLE coupon
  ADD COLUMN valid_for_days integer CONSTRAINT coupon_days_are_readable CHECK (valid_for_days BETWEEN 1 AND 36500),
  ADD COLUMN valid_until timestamptz CONSTRAINT coupon_validity_is_readable
    CHECK (valid_until >= timestamptz '2000-01-01 00:00:00Z' AND valid_until < timestamptz '9999-12-31 00:00:00Z'),
  ADD COLUMN discount jsonb CONSTRAINT coupon_discount_is_small CHECK (octet_length(discount::text) <= 4096),
  ADD COLUMN metadata jsonb CONSTRAINT coupon_metadata_is_small CHECK (octet_length(metadata::text) <= 4096);
COMMENT ON COLUMN coupon.valid_for_days IS 'An issued coupon expires so many times 24 hours after it was issued; null: no such limit.';
COMMENT ON COLUMN coupon.valid_until IS 'Every issued coupon expires at this time at the latest; null: no such limit.';
COMMENT ON COLUMN coupon.discount IS 'What the coupon is worth, for the shop; nothing here interprets it.';

-- When an issued coupon expires; null: never. It is derived and not stored, so that issuing costs nothing more, and a
-- coupon that is valid longer is so for everybody who has one. A day has 24 hours, whatever the time zone.
CREATE FUNCTION coupon_expires_at(issued_at timestamptz, valid_for_days integer, valid_until timestamptz)
  RETURNS timestamptz
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN least(issued_at + make_interval(hours => 24 * valid_for_days), valid_until);

-- Nobody's coupon becomes valid for a shorter time: once a request is accepted, validity can only grow.
CREATE FUNCTION refuse_shorter_validity() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  -- Waits for requests that are being accepted; the next statement sees them.
  PERFORM FROM coupon WHERE coupon_id = OLD.coupon_id FOR UPDATE;
  IF EXISTS (SELECT FROM coupon_issue_request WHERE coupon_id = OLD.coupon_id) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'check_violation',
      CONSTRAINT = 'coupon_validity_only_grows',
      MESSAGE = format('coupon %s: somebody has it, so that it cannot become valid for a shorter time', OLD.coupon_id);
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION refuse_shorter_validity() FROM PUBLIC;
CREATE TRIGGER coupon_validity_only_grows
  BEFORE UPDATE OF valid_for_days, valid_until ON coupon
  FOR EACH ROW
  WHEN (coalesce(NEW.valid_for_days, 2147483647) < coalesce(OLD.valid_for_days, 2147483647)
        OR coalesce(NEW.valid_until, 'infinity') < coalesce(OLD.valid_until, 'infinity'))
  EXECUTE FUNCTION refuse_shorter_validity();

-- When everybody's coupon is over, that stays so. Else who is active again would depend on how far the sweep has come,
-- which writes what has expired as a change. The owner, which no process runs as, may.
CREATE FUNCTION refuse_end_of_what_is_over() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  IF EXISTS (SELECT FROM coupon_issue_request WHERE coupon_id = OLD.coupon_id) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'check_violation',
      CONSTRAINT = 'coupon_is_over',
      MESSAGE = format('coupon %s: everybody''s coupon has expired', OLD.coupon_id);
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION refuse_end_of_what_is_over() FROM PUBLIC;
CREATE TRIGGER coupon_that_is_over_stays_so
  BEFORE UPDATE OF valid_until ON coupon
  FOR EACH ROW
  WHEN (OLD.valid_until <= clock_timestamp() AND NEW.valid_until IS DISTINCT FROM OLD.valid_until
        AND NOT pg_has_role(session_user, 'coupon_owner', 'USAGE'))
  EXECUTE FUNCTION refuse_end_of_what_is_over();

-- Nobody claims a coupon that would be over when it is issued. The owner, which no process runs as, may cause it.
CREATE FUNCTION refuse_claims_beyond_validity() RETURNS trigger
  LANGUAGE plpgsql
  AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'check_violation',
    CONSTRAINT = 'coupon_claims_end_while_valid',
    MESSAGE = format('coupon %s: it can be claimed for longer than it is valid', NEW.coupon_id);
END $$;
CREATE TRIGGER coupon_claims_end_while_valid
  BEFORE INSERT ON coupon
  FOR EACH ROW
  WHEN (coalesce(NEW.issue_ends_at, 'infinity') > NEW.valid_until
        AND NOT pg_has_role(session_user, 'coupon_owner', 'USAGE'))
  EXECUTE FUNCTION refuse_claims_beyond_validity();
CREATE TRIGGER coupon_claims_still_end_while_valid
  BEFORE UPDATE OF issue_ends_at, valid_until ON coupon
  FOR EACH ROW
  WHEN (coalesce(NEW.issue_ends_at, 'infinity') > NEW.valid_until
        AND (NEW.issue_ends_at, NEW.valid_until) IS DISTINCT FROM (OLD.issue_ends_at, OLD.valid_until)
        AND NOT pg_has_role(session_user, 'coupon_owner', 'USAGE'))
  EXECUTE FUNCTION refuse_claims_beyond_validity();

GRANT INSERT (valid_for_days, valid_until, discount, metadata) ON coupon TO coupon_api;
GRANT UPDATE (valid_for_days, valid_until, discount, metadata) ON coupon TO coupon_api;
