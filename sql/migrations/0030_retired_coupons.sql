-- Retired coupons: archived ones whose rows are in Parquet files, and not in the ledger any more.
-- depends: 0029_rehearsals

-- The row of a coupon is there from the beginning of its retirement: from then on nothing of it changes, and no record
-- of Kafka makes an outcome of it. Rows are dropped once the export is noted, which is when the files are proved.
CREATE TABLE retired_coupon (
  coupon_id   bigint PRIMARY KEY REFERENCES coupon,
  begun_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  exported_at timestamptz,
  counts      jsonb,
  folder      text CHECK (length(folder) BETWEEN 1 AND 4096),
  files       jsonb,
  dropped_at  timestamptz,
  CONSTRAINT export_is_complete CHECK (num_nonnulls(exported_at, counts, folder, files) IN (0, 4)),
  CONSTRAINT dropped_after_the_export CHECK (dropped_at IS NULL OR exported_at IS NOT NULL)
);
COMMENT ON COLUMN retired_coupon.counts IS 'What the ledger held: accepted, issued, rejected (by reason), and the issued by their state.';
COMMENT ON COLUMN retired_coupon.folder IS 'Where the files were written, on the machine of the operator.';
COMMENT ON COLUMN retired_coupon.files IS 'By name: {"rows": how many, "sha256": of the bytes}.';
COMMENT ON COLUMN retired_coupon.dropped_at IS 'When the last row was dropped; null: some may be left.';

-- Users who were erased from the ledger, and not yet from the files of a coupon. It names them no longer than that.
CREATE TABLE export_to_erase (
  user_id    bigint NOT NULL,
  coupon_id  bigint NOT NULL REFERENCES retired_coupon ON DELETE CASCADE,
  erasure_id uuid NOT NULL REFERENCES erasure,
  PRIMARY KEY (coupon_id, user_id, erasure_id)
);
CREATE INDEX export_to_erase_of_erasure ON export_to_erase (erasure_id);

CREATE FUNCTION refuse_retired() RETURNS void
  LANGUAGE plpgsql SET search_path = public, pg_temp
  AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'check_violation',
    CONSTRAINT = 'coupon_is_retired',
    MESSAGE = 'the coupon is retired: nothing of it changes any more';
END $$;
REVOKE ALL ON FUNCTION refuse_retired() FROM PUBLIC;

-- An old record of Kafka would issue again what is not in the ledger any more. Only updates of archived coupons pay for
-- this; the batch that fails is repeated without them.
CREATE FUNCTION refuse_outcome_of_retired() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  IF EXISTS (SELECT FROM retired_coupon WHERE coupon_id = OLD.coupon_id) THEN
    PERFORM refuse_retired();
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION refuse_outcome_of_retired() FROM PUBLIC;
CREATE TRIGGER coupon_retired_is_settled
  BEFORE UPDATE OF issued_count, rejected_count ON coupon
  FOR EACH ROW WHEN (OLD.admin_state = 'archived')
  EXECUTE FUNCTION refuse_outcome_of_retired();

-- What has expired by the time may become a change: nothing depends on that row.
CREATE FUNCTION refuse_change_of_retired() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  IF EXISTS (SELECT FROM written w JOIN retired_coupon USING (coupon_id)
              WHERE (w.from_state, w.to_state) <> ('active', 'expired')) THEN
    PERFORM refuse_retired();
  END IF;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION refuse_change_of_retired() FROM PUBLIC;
CREATE TRIGGER change_of_no_retired_coupon
  AFTER INSERT ON issued_coupon_change REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_retired();

CREATE FUNCTION refuse_codes_of_retired() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  IF EXISTS (SELECT FROM written JOIN retired_coupon USING (coupon_id)) THEN
    PERFORM refuse_retired();
  END IF;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION refuse_codes_of_retired() FROM PUBLIC;
CREATE TRIGGER codes_of_no_retired_coupon
  AFTER INSERT ON coupon_code REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_codes_of_retired();

CREATE FUNCTION refuse_code_of_retired() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  IF EXISTS (SELECT FROM retired_coupon WHERE coupon_id = NEW.coupon_id) THEN
    PERFORM refuse_retired();
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION refuse_code_of_retired() FROM PUBLIC;
CREATE TRIGGER code_of_no_retired_coupon
  BEFORE UPDATE OF user_id ON coupon_code
  FOR EACH ROW WHEN (OLD.user_id IS NULL AND NEW.user_id IS NOT NULL)
  EXECUTE FUNCTION refuse_code_of_retired();
CREATE TRIGGER kind_of_codes_of_no_retired_coupon
  BEFORE UPDATE OF kind ON coupon_codes
  FOR EACH ROW EXECUTE FUNCTION refuse_code_of_retired();

-- When a coupon was archived, by the audit trail; null: it is not, or that is not known.
CREATE FUNCTION coupon_archived_at(of_coupon bigint) RETURNS timestamptz
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  SELECT a.acted_at
    FROM coupon c
    JOIN operator_action a USING (coupon_id)
   WHERE c.coupon_id = of_coupon AND c.admin_state = 'archived' AND a.changes -> 'state' ->> 'to' = 'archived'
   ORDER BY a.action_id DESC LIMIT 1
$$;
REVOKE ALL ON FUNCTION coupon_archived_at(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coupon_archived_at(bigint) TO coupon_ops;

-- Begins a retirement, or finds one that was cut off. From its commit on, an erasure notes that the files have to be
-- looked through: erasures and this wait for each other.
-- in:  archived_for: it must have been archived for so long, a day at least
-- out: begun, exported (begun before, and its files are proved), retired, not_found, not_archived, too_young
CREATE FUNCTION begin_retirement(of_coupon bigint, archived_for interval, by_whom text) RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  last retired_coupon;
BEGIN
  PERFORM pg_advisory_xact_lock(1668249712);
  -- Waits for a batch that is being issued; the next statement sees it.
  PERFORM FROM coupon WHERE coupon_id = of_coupon FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'not_found';
  END IF;
  SELECT * INTO last FROM retired_coupon WHERE coupon_id = of_coupon;
  IF last.dropped_at IS NOT NULL THEN
    RETURN 'retired';
  ELSIF last.exported_at IS NOT NULL THEN
    RETURN 'exported';
  ELSIF NOT EXISTS (SELECT FROM coupon WHERE coupon_id = of_coupon AND admin_state = 'archived') THEN
    RETURN 'not_archived';
  ELSIF last.coupon_id IS NULL
        AND coalesce(coupon_archived_at(of_coupon) > now() - greatest(archived_for, interval '1 day'), true) THEN
    RETURN 'too_young';
  END IF;
  INSERT INTO retired_coupon (coupon_id) VALUES (of_coupon) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    INSERT INTO operator_action (acted_by, action, coupon_id, result)
    VALUES (by_whom, 'retire coupon', of_coupon, 'begun');
  END IF;
  RETURN 'begun';
END $$;
REVOKE ALL ON FUNCTION begin_retirement(bigint, interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_retirement(bigint, interval, text) TO coupon_ops;

-- The coupon is again as before; nothing was dropped. Not once its export is noted.
CREATE FUNCTION abandon_retirement(of_coupon bigint, by_whom text) RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  WITH abandoned AS (
    DELETE FROM retired_coupon WHERE coupon_id = of_coupon AND exported_at IS NULL RETURNING coupon_id
  )
  INSERT INTO operator_action (acted_by, action, coupon_id, result)
  SELECT by_whom, 'retire coupon', coupon_id, 'abandoned' FROM abandoned
$$;
REVOKE ALL ON FUNCTION abandon_retirement(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION abandon_retirement(bigint, text) TO coupon_ops;

-- Operators may not read codes; while a coupon is exported, its codes go into the files.
CREATE FUNCTION codes_to_export(of_coupon bigint)
  RETURNS TABLE (code text, kind text, user_id bigint, given_at timestamptz, added_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  SELECT k.code, k.kind, k.user_id, k.given_at, k.added_at
    FROM coupon_code k
   WHERE k.coupon_id = of_coupon
     AND EXISTS (SELECT FROM retired_coupon WHERE coupon_id = of_coupon AND dropped_at IS NULL)
   ORDER BY k.code_key
$$;
REVOKE ALL ON FUNCTION codes_to_export(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION codes_to_export(bigint) TO coupon_ops;

-- Notes that the files hold what the ledger holds. From now on the coupon is retired.
-- out: noted; not_begun; unbalanced: the counts are not those of the coupon, or of its rows
CREATE FUNCTION note_export(of_coupon bigint, of_counts jsonb, in_folder text, of_files jsonb) RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  rejections bigint := (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(of_counts -> 'rejected'));
  accepted   bigint := (of_counts ->> 'accepted')::bigint;
BEGIN
  PERFORM FROM retired_coupon WHERE coupon_id = of_coupon AND exported_at IS NULL FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'not_begun';
  END IF;
  IF NOT EXISTS (SELECT FROM coupon
                  WHERE coupon_id = of_coupon AND admin_state = 'archived'
                    AND issued_count = (of_counts ->> 'issued')::bigint AND rejected_count = rejections
                    AND issued_count + rejected_count = accepted)
     OR accepted <> (SELECT count(*) FROM coupon_issue_request WHERE coupon_id = of_coupon) THEN
    RETURN 'unbalanced';
  END IF;
  UPDATE retired_coupon
     SET exported_at = clock_timestamp(), counts = of_counts, folder = in_folder, files = of_files
   WHERE coupon_id = of_coupon;
  RETURN 'noted';
END $$;
REVOKE ALL ON FUNCTION note_export(bigint, jsonb, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_export(bigint, jsonb, text, jsonb) TO coupon_ops;

-- Drops the next page of a retired coupon's rows: of its users in the order of their ids, then codes that are nobody's,
-- then its line. A page is one transaction; nothing is dropped unless the export is noted.
-- in:  after_user: the last user of the page before (0: none, also of a repetition); page_size, in users or codes
-- out: last_user, dropped (requests), is_done: nothing is left
CREATE FUNCTION drop_retired(
  of_coupon bigint, after_user bigint, page_size integer, by_whom text,
  OUT last_user bigint, OUT dropped bigint, OUT is_done boolean
)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  users bigint[];
BEGIN
  last_user := after_user; dropped := 0; is_done := false;
  -- Not FOR UPDATE: an erasure refers to this row while it holds users whom this waits for.
  PERFORM FROM retired_coupon
    WHERE coupon_id = of_coupon AND exported_at IS NOT NULL AND dropped_at IS NULL FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    is_done := true;
    RETURN;
  END IF;
  users := ARRAY(SELECT user_id FROM coupon_issue_request
                  WHERE coupon_id = of_coupon AND user_id > after_user ORDER BY user_id LIMIT page_size);
  IF users <> '{}' THEN
    -- Waits for a sweep, which holds some of them; the next statement sees what it wrote.
    PERFORM FROM issued_coupon WHERE coupon_id = of_coupon AND user_id = ANY (users) ORDER BY user_id FOR UPDATE;
    DELETE FROM issued_coupon_change WHERE coupon_id = of_coupon AND user_id = ANY (users);
    DELETE FROM coupon_code WHERE coupon_id = of_coupon AND user_id = ANY (users);
    DELETE FROM issued_coupon WHERE coupon_id = of_coupon AND user_id = ANY (users);
    DELETE FROM issue_rejection WHERE coupon_id = of_coupon AND user_id = ANY (users);
    DELETE FROM coupon_issue_request WHERE coupon_id = of_coupon AND user_id = ANY (users);
    dropped := cardinality(users);
    last_user := users[dropped];
    RETURN;
  END IF;
  DELETE FROM coupon_code
   WHERE code_key IN (SELECT code_key FROM coupon_code
                       WHERE coupon_id = of_coupon AND user_id IS NULL ORDER BY shuffle LIMIT page_size);
  IF FOUND THEN
    RETURN;
  END IF;
  -- Who waited, with a request or without one: no index finds them, so that it is done once, at the end.
  DELETE FROM standby_entry WHERE coupon_id = of_coupon;
  -- A user who was erased meanwhile has a greater id, which an earlier page may have passed.
  IF EXISTS (SELECT FROM coupon_issue_request WHERE coupon_id = of_coupon) THEN
    last_user := 0;
    RETURN;
  END IF;
  DELETE FROM coupon_expiry_walk WHERE coupon_id = of_coupon;
  UPDATE coupon_codes SET pool_size = 0 WHERE coupon_id = of_coupon;
  UPDATE retired_coupon SET dropped_at = clock_timestamp() WHERE coupon_id = of_coupon;
  INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
  SELECT by_whom, 'retire coupon', of_coupon, 'done', format('%s requests', counts ->> 'accepted')
    FROM retired_coupon WHERE coupon_id = of_coupon;
  is_done := true;
END $$;
REVOKE ALL ON FUNCTION drop_retired(bigint, bigint, integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_retired(bigint, bigint, integer, text) TO coupon_ops;

-- Notes that the files do not name the user any more; of_files: as they are now.
CREATE FUNCTION note_erased_export(of_coupon bigint, of_user bigint, of_files jsonb, by_whom text) RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  WITH erased AS (
    DELETE FROM export_to_erase t
     USING retired_coupon r
     WHERE t.coupon_id = of_coupon AND t.user_id = of_user
       AND r.coupon_id = t.coupon_id AND r.exported_at IS NOT NULL
    RETURNING t.coupon_id, t.erasure_id, r.files
  ), noted AS (
    UPDATE retired_coupon r SET files = of_files
      FROM erased e WHERE r.coupon_id = e.coupon_id AND r.files IS DISTINCT FROM of_files
  )
  INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
  SELECT CASE WHEN by_whom = ANY (names_of_user(of_user)) THEN 'erased user' ELSE by_whom END,
         'erase user from files', coupon_id, 'done', 'erasure ' || erasure_id
    FROM erased WHERE files IS DISTINCT FROM of_files
$$;
REVOKE ALL ON FUNCTION note_erased_export(bigint, bigint, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_erased_export(bigint, bigint, jsonb, text) TO coupon_ops;

-- As in 0026, and notes that the user has to be erased from the files of retired coupons, too.
CREATE OR REPLACE FUNCTION erase_user(
  of_user bigint, of_coupons bigint[], by_whom text, log_keeps interval, OUT made uuid, OUT why text
)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  who    constant text := CASE WHEN by_whom = ANY (names_of_user(of_user)) THEN 'erased user' ELSE by_whom END;
  ids    bigint[];
  counts jsonb;
  others jsonb;
  ends   timestamptz := now() + log_keeps;
BEGIN
  IF of_user IS NULL OR of_user NOT BETWEEN 1 AND 9223370937343148031 THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('%s is the id of no user', of_user);
  END IF;
  PERFORM pg_advisory_xact_lock(1668249712);
  BEGIN
    -- First what takes long: it locks nothing that claims, uses or rebuilds need.
    others := erase_user_from_trails(of_user);
    SELECT r.ids, r.counts, r.why INTO ids, counts, why FROM replace_user(of_user, of_coupons) AS r;
    IF why IS NOT NULL THEN
      RAISE SQLSTATE 'CE001';
    END IF;
  EXCEPTION WHEN SQLSTATE 'CE001' THEN
    RETURN;  -- and the trails are as before
  END;
  counts := counts || others || erase_user_from_audiences(of_user);
  -- Somebody who asks again gets the same proof.
  IF NOT EXISTS (SELECT FROM jsonb_each(counts) WHERE value <> '0') THEN
    SELECT e.erasure_id INTO made FROM erased_request t JOIN erasure e USING (erasure_id)
     WHERE t.user_id = of_user ORDER BY e.erased_at DESC LIMIT 1;
  END IF;
  IF made IS NULL THEN
    INSERT INTO erasure (asked_by, counts, log_keeps, log_forgets_at, at_gate_since)
    VALUES (who, counts, log_keeps, ends,
            CASE WHEN of_coupons = '{}' AND counts ->> 'coupon_audience' = '0'
                  AND NOT EXISTS (SELECT FROM erased_request
                                   WHERE user_id = of_user AND replaced_by IS NOT NULL AND at_gate_since IS NULL)
                 THEN clock_timestamp() END)
    RETURNING erasure_id INTO made;
    INSERT INTO operator_action (acted_by, action, result, detail)
    VALUES (who, 'erase user', 'done', 'erasure ' || made);
  END IF;
  PERFORM watch_erased(of_user, of_coupons, ids, made, ends);
  -- The ledger does not know whether the files of retired coupons name the user. Each proof waits for them.
  INSERT INTO export_to_erase (user_id, coupon_id, erasure_id)
  SELECT of_user, coupon_id, made FROM retired_coupon
  ON CONFLICT DO NOTHING;
END $$;

GRANT SELECT ON retired_coupon TO coupon_api, coupon_ops;
GRANT SELECT (coupon_id, exported_at, counts, dropped_at) ON retired_coupon
  TO coupon_consumer, coupon_reconciler, coupon_monitor;
GRANT SELECT ON export_to_erase TO coupon_ops;
GRANT SELECT (coupon_id, erasure_id) ON export_to_erase TO coupon_api, coupon_monitor;
