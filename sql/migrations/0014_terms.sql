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

-- The audit trail notes terms too.
CREATE OR REPLACE FUNCTION note_coupon_change() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  who  text := left(coalesce(nullif(current_setting('coupon.acted_by', true), ''), session_user), 200);
  said text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
    VALUES (who, 'create coupon', NEW.coupon_id, 'done', format('%s of %s', NEW.total_quantity, NEW.name));
    RETURN NULL;
  END IF;
  SELECT string_agg(format('%s: %s -> %s', field, coalesce(old_value, 'none'), coalesce(new_value, 'none')), '; ')
    INTO said
    FROM (VALUES ('state', OLD.state, NEW.state),
                 ('stock', OLD.total_quantity::text, NEW.total_quantity::text),
                 ('name', OLD.name, NEW.name),
                 ('opens', OLD.issue_starts_at::text, NEW.issue_starts_at::text),
                 ('ends', OLD.issue_ends_at::text, NEW.issue_ends_at::text),
                 ('group', OLD.eligible_group, NEW.eligible_group),
                 ('valid for days', OLD.valid_for_days::text, NEW.valid_for_days::text),
                 ('valid until', OLD.valid_until::text, NEW.valid_until::text),
                 ('discount', OLD.discount::text, NEW.discount::text),
                 ('metadata', OLD.metadata::text, NEW.metadata::text)) AS fields (field, old_value, new_value)
   WHERE old_value IS DISTINCT FROM new_value;
  IF said IS NOT NULL THEN
    INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
    VALUES (who, 'change coupon', NEW.coupon_id, 'done', said);
  END IF;
  RETURN NULL;
END $$;
DROP TRIGGER coupon_is_audited ON coupon;
CREATE TRIGGER coupon_is_audited
  AFTER INSERT OR UPDATE OF name, total_quantity, issue_starts_at, issue_ends_at, state, eligible_group,
                            valid_for_days, valid_until, discount, metadata ON coupon
  FOR EACH ROW EXECUTE FUNCTION note_coupon_change();

GRANT INSERT (valid_for_days, valid_until, discount, metadata) ON coupon TO coupon_api;
GRANT UPDATE (valid_for_days, valid_until, discount, metadata) ON coupon TO coupon_api;
