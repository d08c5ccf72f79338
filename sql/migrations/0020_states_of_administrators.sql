-- Drafts: coupons that administrators prepare, and nobody else sees. Archived coupons: closed ones that are put away.
-- depends: 0017_administration

-- Another column, and not more values of `state`: a process of an older version reads a draft as paused and an
-- archived coupon as closed, so that whatever it does, nobody can claim it.
ALTER TABLE coupon
  ADD COLUMN admin_state text,
  ADD CONSTRAINT coupon_admin_state_fits CHECK (
    admin_state IS NULL OR (admin_state, state) IN (('draft', 'paused'), ('archived', 'closed')));
COMMENT ON COLUMN coupon.admin_state IS 'The state that administrators see instead of `state`; null: that one.';

CREATE FUNCTION pause_draft() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp
  AS $$
BEGIN
  NEW.state := 'paused';
  RETURN NEW;
END $$;
CREATE TRIGGER coupon_draft_is_paused
  BEFORE INSERT ON coupon
  FOR EACH ROW WHEN (NEW.admin_state = 'draft')
  EXECUTE FUNCTION pause_draft();

-- For every process, as coupon_only_goes_on: a draft becomes open and nothing else, and never again a draft; archived
-- is final.
CREATE FUNCTION refuse_admin_state() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp
  AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'check_violation',
    CONSTRAINT = 'coupon_admin_state_goes_on',
    MESSAGE = format('coupon %s: a draft becomes open, nothing becomes a draft, and archived is final', OLD.coupon_id);
END $$;
CREATE TRIGGER coupon_admin_state_goes_on
  BEFORE UPDATE OF admin_state ON coupon
  FOR EACH ROW
  WHEN (OLD.admin_state IS DISTINCT FROM NEW.admin_state
        AND (NEW.admin_state = 'draft' OR OLD.admin_state = 'archived'
             OR OLD.admin_state = 'draft' AND NEW.state <> 'open')
        AND NOT pg_has_role(current_user, 'coupon_owner', 'USAGE'))
  EXECUTE FUNCTION refuse_admin_state();

-- What was archived stays as it is, but for counts and rebuilds of the gate.
CREATE TRIGGER coupon_archived_is_read_only
  BEFORE UPDATE OF name, total_quantity, issue_starts_at, issue_ends_at, eligible_group, valid_for_days, valid_until,
                   discount, metadata, version ON coupon
  FOR EACH ROW
  WHEN (OLD.admin_state = 'archived' AND NOT pg_has_role(current_user, 'coupon_owner', 'USAGE'))
  EXECUTE FUNCTION refuse_admin_state();

-- A coupon is archived when each of its requests is final.
CREATE FUNCTION refuse_archive_in_flight() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  -- Waits for requests that are being accepted, which hold FOR KEY SHARE; the next statement sees them.
  PERFORM FROM coupon WHERE coupon_id = OLD.coupon_id FOR UPDATE;
  IF EXISTS (SELECT FROM coupon_issue_request WHERE coupon_id = OLD.coupon_id
             OFFSET OLD.issued_count + OLD.rejected_count LIMIT 1) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'check_violation',
      CONSTRAINT = 'coupon_archive_is_settled',
      MESSAGE = format('coupon %s: some of its requests are not final', OLD.coupon_id);
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION refuse_archive_in_flight() FROM PUBLIC;
CREATE TRIGGER coupon_archive_is_settled
  BEFORE UPDATE OF admin_state ON coupon
  FOR EACH ROW
  WHEN (NEW.admin_state = 'archived' AND OLD.admin_state IS DISTINCT FROM 'archived')
  EXECUTE FUNCTION refuse_archive_in_flight();

-- Operators change no draft. (An archived coupon is closed.)
CREATE OR REPLACE FUNCTION operate_coupon(id bigint, seen_version bigint, new_state text, new_total bigint, by_whom text)
  RETURNS SETOF coupon
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  PERFORM set_config('coupon.acted_by', by_whom, true);
  RETURN QUERY
    UPDATE coupon c
       SET state = coalesce(new_state, c.state),
           total_quantity = coalesce(new_total, c.total_quantity),
           version = coupon_next_number(c.version)
     WHERE c.coupon_id = id AND c.state <> 'closed' AND c.admin_state IS NULL AND c.version = seen_version
    RETURNING c.*;
END $$;

-- The audit trail has the state that administrators see.
CREATE OR REPLACE FUNCTION coupon_as_json(of_coupon coupon) RETURNS jsonb
  LANGUAGE sql STABLE SET timezone = 'UTC'
  AS $$
  SELECT to_jsonb(of_coupon) || jsonb_build_object('state', coalesce(of_coupon.admin_state, of_coupon.state))
         || jsonb_object_agg(field, to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    FROM (VALUES ('issue_starts_at', of_coupon.issue_starts_at),
                 ('issue_ends_at', of_coupon.issue_ends_at),
                 ('valid_until', of_coupon.valid_until)) AS moments (field, moment) $$;
CREATE OR REPLACE TRIGGER coupon_is_audited
  AFTER INSERT OR UPDATE OF name, total_quantity, issue_starts_at, issue_ends_at, state, eligible_group,
                            valid_for_days, valid_until, discount, metadata, admin_state ON coupon
  FOR EACH ROW EXECUTE FUNCTION note_coupon_change();
CREATE OR REPLACE TRIGGER coupon_version_is_of_a_change
  BEFORE UPDATE OF version ON coupon
  FOR EACH ROW
  WHEN ((NEW.name, NEW.total_quantity, NEW.issue_starts_at, NEW.issue_ends_at, NEW.state, NEW.admin_state,
         NEW.eligible_group, NEW.valid_for_days, NEW.valid_until, NEW.discount, NEW.metadata)
        IS NOT DISTINCT FROM
        (OLD.name, OLD.total_quantity, OLD.issue_starts_at, OLD.issue_ends_at, OLD.state, OLD.admin_state,
         OLD.eligible_group, OLD.valid_for_days, OLD.valid_until, OLD.discount, OLD.metadata))
  EXECUTE FUNCTION keep_coupon_version();

GRANT INSERT (admin_state), UPDATE (admin_state) ON coupon TO coupon_api;
