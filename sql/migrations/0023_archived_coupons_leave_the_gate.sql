-- The gate forgets archived coupons: archiving fences what was admitted before, and no pass reads them.
-- depends: 0022_requests_of_a_user

-- A rebuild that began before may still open the gate with an older definition: none of its claims is written.
CREATE FUNCTION fence_archived() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp
  AS $$
BEGIN
  NEW.gate_epoch := coupon_next_number(OLD.gate_epoch);
  RETURN NEW;
END $$;
CREATE TRIGGER coupon_archive_is_fenced
  BEFORE UPDATE OF admin_state ON coupon
  FOR EACH ROW
  WHEN (NEW.admin_state = 'archived' AND OLD.admin_state IS DISTINCT FROM 'archived')
  EXECUTE FUNCTION fence_archived();

CREATE INDEX coupon_not_archived ON coupon (coupon_id) WHERE admin_state IS DISTINCT FROM 'archived';
