-- Drafts: coupons that administrators prepare, and nobody else sees.
-- depends: 0017_administration

-- Another column, and not more values of `state`: a process of an older version reads a draft as paused, so that
-- whatever it does, nobody can claim it.
ALTER TABLE coupon
  ADD COLUMN admin_state text,
  ADD CONSTRAINT coupon_admin_state_fits CHECK (admin_state IS NULL OR admin_state = 'draft' AND state = 'paused');
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

-- For every process, as coupon_only_goes_on: a draft becomes open and nothing else, and never again a draft.
CREATE FUNCTION refuse_admin_state() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp
  AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'check_violation',
    CONSTRAINT = 'coupon_admin_state_goes_on',
    MESSAGE = format('coupon %s: a draft becomes open, and nothing becomes a draft again', OLD.coupon_id);
END $$;
CREATE TRIGGER coupon_admin_state_goes_on
  BEFORE UPDATE OF admin_state ON coupon
  FOR EACH ROW
  WHEN (OLD.admin_state IS DISTINCT FROM NEW.admin_state
        AND (NEW.admin_state = 'draft' OR OLD.admin_state = 'draft' AND NEW.state <> 'open')
        AND NOT pg_has_role(current_user, 'coupon_owner', 'USAGE'))
  EXECUTE FUNCTION refuse_admin_state();

-- Operators change no draft.
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
CREATE OR REPLACE FUNCTION note_coupon_change() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC'
  AS $$
DECLARE
  who     text := left(coalesce(nullif(current_setting('coupon.acted_by', true), ''), session_user), 200);
  old_row jsonb := '{}';
  new_row jsonb := to_jsonb(NEW) || jsonb_build_object('state', coalesce(NEW.admin_state, NEW.state));
  said    text;
  changed jsonb;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    old_row := to_jsonb(OLD) || jsonb_build_object('state', coalesce(OLD.admin_state, OLD.state));
  END IF;
  -- The text is for people, and short; discount and metadata are complete in `changes`.
  SELECT string_agg(format('%s: %s -> %s', word, left(coalesce(old_row ->> field, 'none'), 200),
                           left(coalesce(new_row ->> field, 'none'), 200)), '; ' ORDER BY number),
         jsonb_object_agg(field, jsonb_build_object('from', old_row -> field, 'to', new_row -> field))
    INTO said, changed
    FROM (VALUES (1, 'state', 'state'),
                 (2, 'stock', 'total_quantity'),
                 (3, 'name', 'name'),
                 (4, 'opens', 'issue_starts_at'),
                 (5, 'ends', 'issue_ends_at'),
                 (6, 'group', 'eligible_group'),
                 (7, 'valid for days', 'valid_for_days'),
                 (8, 'valid until', 'valid_until'),
                 (9, 'discount', 'discount'),
                 (10, 'metadata', 'metadata')) AS fields (number, word, field)
   WHERE coalesce(old_row -> field, 'null') <> new_row -> field;
  IF TG_OP = 'INSERT' THEN
    INSERT INTO operator_action (acted_by, action, coupon_id, result, detail, changes)
    VALUES (who, 'create coupon', NEW.coupon_id, 'done', format('%s of %s', NEW.total_quantity, NEW.name), changed);
  ELSIF said IS NOT NULL THEN
    INSERT INTO operator_action (acted_by, action, coupon_id, result, detail, changes)
    VALUES (who, 'change coupon', NEW.coupon_id, 'done', said, changed);
  END IF;
  RETURN NULL;
END $$;
DROP TRIGGER coupon_is_audited ON coupon;
CREATE TRIGGER coupon_is_audited
  AFTER INSERT OR UPDATE OF name, total_quantity, issue_starts_at, issue_ends_at, state, eligible_group,
                            valid_for_days, valid_until, discount, metadata, admin_state ON coupon
  FOR EACH ROW EXECUTE FUNCTION note_coupon_change();

GRANT INSERT (admin_state), UPDATE (admin_state) ON coupon TO coupon_api;
