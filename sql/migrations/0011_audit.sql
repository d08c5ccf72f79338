-- The audit trail of what operators do, besides that of dead letters. Rows are only ever added.
-- depends: 0010_monitor

CREATE TABLE operator_action (
  action_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  acted_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  acted_by  text NOT NULL CHECK (length(acted_by) BETWEEN 1 AND 200),
  action    text NOT NULL CHECK (length(action) BETWEEN 1 AND 40),
  coupon_id bigint,
  result    text NOT NULL CHECK (length(result) BETWEEN 1 AND 40),
  detail    text NOT NULL DEFAULT ''
);
CREATE INDEX operator_action_by_time ON operator_action (acted_at DESC, action_id DESC);
CREATE INDEX operator_action_of_coupon ON operator_action (coupon_id, action_id DESC);
CREATE INDEX dead_letter_action_by_time ON dead_letter_action (acted_at DESC, action_id DESC);

-- Every change of a coupon's definition, whoever makes it: the transaction may name a person in coupon.acted_by;
-- otherwise it is the role. Counts are no definition, so that issuing coupons never runs this.
CREATE FUNCTION note_coupon_change() RETURNS trigger
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
                 ('group', OLD.eligible_group, NEW.eligible_group)) AS fields (field, old_value, new_value)
   WHERE old_value IS DISTINCT FROM new_value;
  IF said IS NOT NULL THEN
    INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
    VALUES (who, 'change coupon', NEW.coupon_id, 'done', said);
  END IF;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION note_coupon_change() FROM PUBLIC;

CREATE TRIGGER coupon_is_audited
  AFTER INSERT OR UPDATE OF name, total_quantity, issue_starts_at, issue_ends_at, state, eligible_group ON coupon
  FOR EACH ROW EXECUTE FUNCTION note_coupon_change();

GRANT SELECT ON operator_action TO coupon_ops, coupon_monitor;
GRANT INSERT (acted_by, action, coupon_id, result, detail) ON operator_action TO coupon_ops;

-- What an operator changes on the monitor's page: state and stock, under a name, and only of a coupon that still has
-- the version that they saw. No row: there is none, it is closed, or it has another version.
CREATE FUNCTION operate_coupon(id bigint, seen_version bigint, new_state text, new_total bigint, by_whom text)
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
     WHERE c.coupon_id = id AND c.state <> 'closed' AND c.version = seen_version
    RETURNING c.*;
END $$;
REVOKE ALL ON FUNCTION operate_coupon(bigint, bigint, text, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION operate_coupon(bigint, bigint, text, bigint, text) TO coupon_ops;
