-- What several administrators need: no stock below what is promised, an audit that programs can read, and a creation
-- that can be repeated.
-- depends: 0015_life_of_issued_coupons

-- Stock is never lowered below what is issued and in flight, whoever does it. Below what is issued alone is
-- coupon_never_oversold. The owner, which no process runs as, may: then the requests that do not fit are rejected.
CREATE FUNCTION refuse_stock_below_in_flight() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  -- Waits for requests that are being accepted, which hold FOR KEY SHARE; the next statement sees them.
  PERFORM FROM coupon WHERE coupon_id = OLD.coupon_id FOR UPDATE;
  -- Reads no more rows than the new stock (and the rejections) has.
  IF EXISTS (SELECT FROM coupon_issue_request WHERE coupon_id = OLD.coupon_id
             OFFSET NEW.total_quantity + OLD.rejected_count LIMIT 1) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'check_violation',
      CONSTRAINT = 'coupon_stock_covers_in_flight',
      MESSAGE = format('coupon %s: more requests are accepted than the new stock has', OLD.coupon_id);
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION refuse_stock_below_in_flight() FROM PUBLIC;
CREATE TRIGGER coupon_stock_covers_in_flight
  BEFORE UPDATE OF total_quantity ON coupon
  FOR EACH ROW
  WHEN (NEW.total_quantity < OLD.total_quantity AND NEW.total_quantity >= OLD.issued_count
        AND NOT pg_has_role(session_user, 'coupon_owner', 'USAGE'))
  EXECUTE FUNCTION refuse_stock_below_in_flight();

-- The audit trail also says from what to what, for programs.
ALTER TABLE operator_action ADD COLUMN changes jsonb;
COMMENT ON COLUMN operator_action.changes IS 'By column of the coupon: {"from": ..., "to": ...}; null: no change of a coupon, or from before it was kept.';

-- A coupon's columns as the API writes them: times in UTC with six digits.
CREATE FUNCTION coupon_as_json(of_coupon coupon) RETURNS jsonb
  LANGUAGE sql STABLE SET timezone = 'UTC'
  AS $$
  SELECT to_jsonb(of_coupon) || jsonb_object_agg(field, to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    FROM (VALUES ('issue_starts_at', of_coupon.issue_starts_at),
                 ('issue_ends_at', of_coupon.issue_ends_at),
                 ('valid_until', of_coupon.valid_until)) AS moments (field, moment) $$;

CREATE OR REPLACE FUNCTION note_coupon_change() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  who     text := left(coalesce(nullif(current_setting('coupon.acted_by', true), ''), session_user), 200);
  old_row jsonb := CASE TG_OP WHEN 'INSERT' THEN '{}' ELSE coupon_as_json(OLD) END;
  new_row jsonb := coupon_as_json(NEW);
  said    text;
  changed jsonb;
BEGIN
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

-- Not dropped first: that takes a stronger lock than the triggers above, and would wait for who waits for this one.
CREATE OR REPLACE TRIGGER coupon_is_audited
  AFTER INSERT OR UPDATE OF name, total_quantity, issue_starts_at, issue_ends_at, state, eligible_group,
                            valid_for_days, valid_until, discount, metadata ON coupon
  FOR EACH ROW EXECUTE FUNCTION note_coupon_change();

-- A change to what is there already is none: the coupon keeps its version, so that nobody who has read it is refused.
CREATE FUNCTION keep_coupon_version() RETURNS trigger
  LANGUAGE plpgsql
  AS $$
BEGIN
  NEW.version := OLD.version;
  RETURN NEW;
END $$;
CREATE TRIGGER coupon_version_is_of_a_change
  BEFORE UPDATE OF version ON coupon
  FOR EACH ROW
  WHEN ((NEW.name, NEW.total_quantity, NEW.issue_starts_at, NEW.issue_ends_at, NEW.state, NEW.eligible_group,
         NEW.valid_for_days, NEW.valid_until, NEW.discount, NEW.metadata)
        IS NOT DISTINCT FROM
        (OLD.name, OLD.total_quantity, OLD.issue_starts_at, OLD.issue_ends_at, OLD.state, OLD.eligible_group,
         OLD.valid_for_days, OLD.valid_until, OLD.discount, OLD.metadata))
  EXECUTE FUNCTION keep_coupon_version();

-- What was done to coupons: the API shows this, and nothing else of the audit trail.
CREATE VIEW coupon_action AS
  SELECT action_id, acted_at, acted_by, login, action, coupon_id, result, detail, changes
    FROM operator_action WHERE coupon_id IS NOT NULL;
GRANT SELECT ON coupon_action TO coupon_api;

-- Creations that can be repeated: who sent which key, with which body, and the coupon that came of it. A row is
-- written in the transaction that creates the coupon, so that it is there if and only if the coupon is.
CREATE TABLE idempotency_key (
  caller_id   bigint NOT NULL,
  key         text NOT NULL CHECK (key ~ '^[\x20-\x7e]{1,255}$'),
  body_digest bytea NOT NULL CHECK (octet_length(body_digest) = 32),
  coupon_id   bigint,
  taken_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (caller_id, key)
);
CREATE INDEX idempotency_key_by_time ON idempotency_key (taken_at);
COMMENT ON COLUMN idempotency_key.coupon_id IS 'Null only within the transaction that creates the coupon.';

-- Takes a key for the transaction, or says what it was used for. It also deletes up to ten keys that are older than
-- a day, which keeps the table as small as a day: no role has the right to delete.
-- out: no row: the key is taken now; else the digest and the coupon of its first use. A creation with this key that is
--      running is waited for for a second, then lock_not_available is raised.
CREATE FUNCTION take_idempotency_key(of_caller bigint, given_key text, given_digest bytea)
  RETURNS TABLE (first_digest bytea, made_coupon_id bigint)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s'
  AS $$
BEGIN
  DELETE FROM idempotency_key k
   USING (SELECT caller_id, key FROM idempotency_key
           WHERE taken_at < now() - interval '24 hours'
           ORDER BY taken_at LIMIT 10 FOR UPDATE SKIP LOCKED) AS old
   WHERE k.caller_id = old.caller_id AND k.key = old.key;
  LOOP
    INSERT INTO idempotency_key (caller_id, key, body_digest) VALUES (of_caller, given_key, given_digest)
    ON CONFLICT (caller_id, key) DO NOTHING;
    IF FOUND THEN
      RETURN;
    END IF;
    RETURN QUERY SELECT k.body_digest, k.coupon_id FROM idempotency_key k
                  WHERE k.caller_id = of_caller AND k.key = given_key;
    IF FOUND THEN
      RETURN;
    END IF;
    -- It was deleted in between, being old.
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION take_idempotency_key(bigint, text, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_idempotency_key(bigint, text, bytea) TO coupon_api;
GRANT SELECT (caller_id, key), UPDATE (coupon_id) ON idempotency_key TO coupon_api;
