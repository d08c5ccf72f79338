-- The standby list of a coupon: who waits for a place once it is sold out.
-- depends: 0027_waiting_rooms

-- A column of the coupon, so that the gate gets it with the version in which it changed. Null costs a coupon nothing.
ALTER TABLE coupon
  ADD COLUMN standby text CONSTRAINT coupon_standby_is_known CHECK (standby IN ('empty', 'waiting', 'ending'));
COMMENT ON COLUMN coupon.standby IS 'Null: it has no standby list. waiting: the gate admits nobody, and places go to the list. ending: switched off; the reconciler tells who waits.';
-- Issuing changes neither its column nor its condition, so that it costs issuing nothing (the updates stay HOT).
CREATE INDEX coupon_with_line ON coupon (coupon_id) WHERE standby IN ('waiting', 'ending');

CREATE SEQUENCE standby_number_seq;
CREATE TABLE standby_entry (
  user_id   bigint NOT NULL CHECK (user_id BETWEEN 1 AND 9223370937343148031),
  coupon_id bigint NOT NULL REFERENCES coupon,
  number    bigint NOT NULL DEFAULT nextval('standby_number_seq'),
  state     text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'promoted', 'left', 'not_eligible', 'ended')),
  for_group text,
  joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at  timestamptz,
  PRIMARY KEY (user_id, coupon_id),
  CONSTRAINT standby_entry_ends_once CHECK ((ended_at IS NULL) = (state = 'waiting'))
);
CREATE INDEX standby_line ON standby_entry (coupon_id, number) WHERE state = 'waiting';
COMMENT ON COLUMN standby_entry.number IS 'The order of the line. Who joins again gets another one.';
COMMENT ON COLUMN standby_entry.for_group IS 'The group that the coupon was for when the user joined, being in it.';

-- Every change of `standby` gives the coupon another version, as the gate has to know it.
CREATE OR REPLACE TRIGGER coupon_version_is_of_a_change
  BEFORE UPDATE OF version ON coupon
  FOR EACH ROW
  WHEN ((NEW.name, NEW.total_quantity, NEW.issue_starts_at, NEW.issue_ends_at, NEW.state, NEW.admin_state,
         NEW.eligible_group, NEW.valid_for_days, NEW.valid_until, NEW.discount, NEW.metadata, NEW.standby)
        IS NOT DISTINCT FROM
        (OLD.name, OLD.total_quantity, OLD.issue_starts_at, OLD.issue_ends_at, OLD.state, OLD.admin_state,
         OLD.eligible_group, OLD.valid_for_days, OLD.valid_until, OLD.discount, OLD.metadata, OLD.standby))
  EXECUTE FUNCTION keep_coupon_version();

-- Gives a coupon a standby list, or takes it away. Who waits then is told so by the reconciler, not in this call.
-- out: whether there is such a coupon, and it is neither closed nor a draft
CREATE FUNCTION set_standby_list(of_coupon bigint, is_on boolean, by_whom text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  was     text;
  becomes text;
BEGIN
  SELECT standby INTO was FROM coupon
   WHERE coupon_id = of_coupon AND state <> 'closed' AND admin_state IS NULL FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  becomes := CASE WHEN NOT is_on AND was IS NOT NULL THEN 'ending'
                  WHEN is_on AND was IS NULL THEN 'empty'
                  WHEN is_on AND was = 'ending' THEN 'waiting'
                  ELSE was END;
  IF becomes IS DISTINCT FROM was THEN
    UPDATE coupon SET standby = becomes, version = coupon_next_number(version) WHERE coupon_id = of_coupon;
    INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
    VALUES (left(by_whom, 200), 'switch standby list', of_coupon, 'done', CASE WHEN is_on THEN 'on' ELSE 'off' END);
  END IF;
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION set_standby_list(bigint, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION set_standby_list(bigint, boolean, text) TO coupon_api;

-- Puts a user at the end of the line, or says why not. Repeating it is harmless.
-- in:  is_sold_out: whether the gate would refuse a claim for want of a place; asked before the line has begun
-- out: joined; first (joined, and the gate has to be told that a line has begun); waiting (was in line already);
--      requested (has a request); no_coupon; no_list; not_open; paused; closed; not_eligible; not_sold_out
CREATE FUNCTION join_standby(of_user bigint, of_coupon bigint, groups text[], is_sold_out boolean) RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  of_line  record;
  is_first boolean := false;
BEGIN
  -- tidy_standby, which ends a line that nobody is in, waits for this.
  SELECT state, admin_state, standby, eligible_group, issue_starts_at, issue_ends_at INTO of_line
    FROM coupon WHERE coupon_id = of_coupon FOR KEY SHARE;
  CASE
    WHEN NOT FOUND OR of_line.admin_state = 'draft' THEN RETURN 'no_coupon';
    WHEN of_line.state = 'closed' OR of_line.issue_ends_at <= clock_timestamp() THEN RETURN 'closed';
    WHEN coalesce(of_line.standby, 'ending') = 'ending' THEN RETURN 'no_list';
    WHEN of_line.state = 'paused' THEN RETURN 'paused';
    WHEN of_line.issue_starts_at > clock_timestamp() THEN RETURN 'not_open';
    WHEN of_line.eligible_group IS NOT NULL AND of_line.eligible_group <> ALL (groups) THEN RETURN 'not_eligible';
    WHEN EXISTS (SELECT FROM coupon_issue_request WHERE coupon_id = of_coupon AND user_id = of_user) THEN
      RETURN 'requested';
    WHEN EXISTS (SELECT FROM standby_entry
                  WHERE coupon_id = of_coupon AND user_id = of_user AND state = 'waiting') THEN
      RETURN 'waiting';
    WHEN of_line.standby = 'empty' AND NOT is_sold_out THEN RETURN 'not_sold_out';
    ELSE NULL;
  END CASE;
  IF of_line.standby = 'empty' THEN
    UPDATE coupon SET standby = 'waiting', version = coupon_next_number(version)
     WHERE coupon_id = of_coupon AND standby = 'empty';
    is_first := FOUND;
  END IF;
  INSERT INTO standby_entry AS e (user_id, coupon_id, for_group) VALUES (of_user, of_coupon, of_line.eligible_group)
  ON CONFLICT (user_id, coupon_id) DO UPDATE
     SET number = excluded.number, state = 'waiting', for_group = excluded.for_group,
         joined_at = excluded.joined_at, ended_at = NULL
   WHERE e.state <> 'waiting';
  RETURN CASE WHEN is_first THEN 'first' WHEN FOUND THEN 'joined' ELSE 'waiting' END;
END $$;
REVOKE ALL ON FUNCTION join_standby(bigint, bigint, text[], boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION join_standby(bigint, bigint, text[], boolean) TO coupon_api;

-- Ends the entries of a line that has no future, at most so many, and the line once nobody is in it: then the gate
-- admits claims again. Who waited longest is told last: a list that is switched on again keeps the head of its line.
-- out: whether somebody is still in line
CREATE FUNCTION tidy_standby(of_coupon bigint, most integer) RETURNS boolean
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  -- Asked before: a line that has a future may be long, and is not read.
  IF EXISTS (SELECT FROM coupon WHERE coupon_id = of_coupon
              AND (standby = 'ending' OR state = 'closed' OR issue_ends_at <= now())) THEN
    UPDATE standby_entry e SET state = 'ended', ended_at = clock_timestamp()
      FROM (SELECT user_id FROM standby_entry WHERE coupon_id = of_coupon AND state = 'waiting'
             ORDER BY number DESC LIMIT most FOR UPDATE) AS over
     WHERE e.coupon_id = of_coupon AND e.user_id = over.user_id;
  END IF;
  IF EXISTS (SELECT FROM standby_entry WHERE coupon_id = of_coupon AND state = 'waiting') THEN
    RETURN true;
  END IF;
  -- Waits for users who are joining, which hold FOR KEY SHARE; the next statement sees them.
  PERFORM FROM coupon WHERE coupon_id = of_coupon FOR UPDATE;
  UPDATE coupon c
     SET standby = CASE c.standby WHEN 'waiting' THEN 'empty' END, version = coupon_next_number(c.version)
   WHERE c.coupon_id = of_coupon AND c.standby IN ('waiting', 'ending')
     AND NOT EXISTS (SELECT FROM standby_entry e WHERE e.coupon_id = of_coupon AND e.state = 'waiting');
  RETURN false;
END $$;
REVOKE ALL ON FUNCTION tidy_standby(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tidy_standby(bigint, integer) TO coupon_reconciler;

-- What is revoked comes back, where there is a standby list: the coupon has one more place. An ordinary raise, audited,
-- so that the total says what may be issued, also to the gate. Who waits gets it; without a line it is for claims.
CREATE FUNCTION give_revoked_back() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  PERFORM set_config('coupon.acted_by', NEW.changed_by, true);
  UPDATE coupon SET total_quantity = total_quantity + 1, version = coupon_next_number(version)
   WHERE coupon_id = NEW.coupon_id AND standby IN ('empty', 'waiting') AND state <> 'closed'
     AND total_quantity < 1000000000;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION give_revoked_back() FROM PUBLIC;
CREATE TRIGGER revoked_comes_back
  AFTER INSERT ON issued_coupon_change
  FOR EACH ROW WHEN (NEW.to_state = 'revoked')
  EXECUTE FUNCTION give_revoked_back();

GRANT SELECT ON standby_entry TO coupon_api, coupon_reconciler, coupon_ops;
GRANT UPDATE (state, ended_at) ON standby_entry TO coupon_api, coupon_reconciler, coupon_ops;

-- As before, and the user's places in lines. Who is erased has left them before, so that nothing is promoted meanwhile.
CREATE OR REPLACE FUNCTION erase_user_from_trails(of_user bigint, OUT counts jsonb)
  LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp
  AS $$
DECLARE
  names   constant text[] := names_of_user(of_user);
  in_text constant text := '\m' || names[1] || '\M';
  nobody  constant text := 'erased user';
  entries bigint;
BEGIN
  WITH change AS (
    UPDATE issued_coupon_change
       SET changed_by = CASE WHEN changed_by = ANY (names) THEN nobody ELSE changed_by END,
           reason = left(regexp_replace(reason, in_text, nobody, 'g'), 500)
     WHERE changed_by = ANY (names) OR reason ~ in_text RETURNING 1
  ), letter AS (
    UPDATE dead_letter_action
       SET user_id = nullif(user_id, of_user),
           acted_by = CASE WHEN acted_by = ANY (names) THEN nobody ELSE acted_by END,
           detail = regexp_replace(detail, in_text, nobody, 'g')
     WHERE user_id = of_user OR acted_by = ANY (names) OR detail ~ in_text RETURNING 1
  ), action AS (
    UPDATE operator_action
       SET acted_by = CASE WHEN acted_by = ANY (names) THEN nobody ELSE acted_by END,
           detail = regexp_replace(detail, in_text, nobody, 'g')
     WHERE acted_by = ANY (names) OR detail ~ in_text RETURNING 1
  ), proof AS (
    UPDATE erasure SET asked_by = nobody WHERE asked_by = ANY (names) RETURNING 1
  ), key AS (
    DELETE FROM idempotency_key WHERE caller_id = of_user RETURNING 1
  )
  SELECT jsonb_build_object(
           'changed_by', (SELECT count(*) FROM change),
           'dead_letter_action', (SELECT count(*) FROM letter),
           'operator_action', (SELECT count(*) FROM action),
           'erasure', (SELECT count(*) FROM proof),
           'idempotency_key', (SELECT count(*) FROM key))
    INTO counts;
  -- Not before the trails are read, which takes long: promotions and users wait for an entry that is locked.
  DELETE FROM standby_entry WHERE user_id = of_user;
  GET DIAGNOSTICS entries = ROW_COUNT;
  counts := counts || jsonb_build_object('standby_entry', entries);
END $$;
