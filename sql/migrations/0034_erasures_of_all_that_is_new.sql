-- How a user is erased, in one place: 0024, 0026, 0028 and 0030 each added what was new to a copy of all the rest.
-- What an erasure does is as before. The parts that did not change are in 0024 (names_of_user, replace_user,
-- watch_erased) and 0026 (erase_user_from_audiences, end_erasure).
-- depends: 0033_newest_archive

-- Takes the user out of the tables that are read as a whole, because only what staff does in them names a user.
-- out: counts by table
CREATE OR REPLACE FUNCTION erase_user_from_trails(of_user bigint, OUT counts jsonb)
  LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp
  AS $$
DECLARE
  names   constant text[] := names_of_user(of_user);
  in_text constant text := '\m' || names[1] || '\M';
  nobody  constant text := 'erased user';
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
END $$;

-- Takes the user out of the lines of coupons. Who is erased has left them before, so that nothing is promoted meanwhile.
-- out: counts by table
CREATE FUNCTION erase_user_from_lines(of_user bigint, OUT counts jsonb)
  LANGUAGE sql VOLATILE SET search_path = public, pg_temp
  AS $$
  WITH entry AS (DELETE FROM standby_entry WHERE user_id = of_user RETURNING 1)
  SELECT jsonb_build_object('standby_entry', (SELECT count(*) FROM entry))
$$;
REVOKE ALL ON FUNCTION erase_user_from_lines(bigint) FROM PUBLIC;

-- Writes the proof of an erasure that took this out of these coupons. Somebody who asks again gets the same proof.
CREATE FUNCTION prove_erasure(of_user bigint, of_coupons bigint[], counts jsonb, by_whom text, log_keeps interval)
  RETURNS uuid
  LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp
  AS $$
DECLARE
  who  constant text := CASE WHEN by_whom = ANY (names_of_user(of_user)) THEN 'erased user' ELSE by_whom END;
  made uuid;
BEGIN
  IF NOT EXISTS (SELECT FROM jsonb_each(counts) WHERE value <> '0') THEN
    SELECT e.erasure_id INTO made FROM erased_request t JOIN erasure e USING (erasure_id)
     WHERE t.user_id = of_user ORDER BY e.erased_at DESC LIMIT 1;
  END IF;
  IF made IS NULL THEN
    -- Without a request and a list, the gate has nothing to forget: unless it has not forgotten an erasure of before.
    INSERT INTO erasure (asked_by, counts, log_keeps, log_forgets_at, at_gate_since)
    VALUES (who, counts, log_keeps, now() + log_keeps,
            CASE WHEN of_coupons = '{}' AND counts ->> 'coupon_audience' = '0'
                  AND NOT EXISTS (SELECT FROM erased_request
                                   WHERE user_id = of_user AND replaced_by IS NOT NULL AND at_gate_since IS NULL)
                 THEN clock_timestamp() END)
    RETURNING erasure_id INTO made;
    INSERT INTO operator_action (acted_by, action, result, detail)
    VALUES (who, 'erase user', 'done', 'erasure ' || made);
  END IF;
  RETURN made;
END $$;
REVOKE ALL ON FUNCTION prove_erasure(bigint, bigint[], jsonb, text, interval) FROM PUBLIC;

-- The ledger does not know whether the files of retired coupons name the user. Each proof waits for them.
CREATE FUNCTION erase_user_from_exports(of_user bigint, of_erasure uuid) RETURNS void
  LANGUAGE sql VOLATILE SET search_path = public, pg_temp
  AS $$
  INSERT INTO export_to_erase (user_id, coupon_id, erasure_id)
  SELECT of_user, coupon_id, of_erasure FROM retired_coupon
  ON CONFLICT DO NOTHING
$$;
REVOKE ALL ON FUNCTION erase_user_from_exports(bigint, uuid) FROM PUBLIC;

-- Erases the user from these coupons, of which it has requests, and from all else. One erasure at a time: two that name
-- each other would wait for each other.
-- in:  by_whom; log_keeps: how long Kafka keeps a record (null: for good)
-- out: made: the erasure; or why nothing was done, as replace_user says
CREATE OR REPLACE FUNCTION erase_user(
  of_user bigint, of_coupons bigint[], by_whom text, log_keeps interval, OUT made uuid, OUT why text
)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  ids    bigint[];
  counts jsonb;
  others jsonb;
BEGIN
  IF of_user IS NULL OR of_user NOT BETWEEN 1 AND 9223370937343148031 THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('%s is the id of no user', of_user);
  END IF;
  PERFORM pg_advisory_xact_lock(1668249712);
  BEGIN
    -- First what takes long: it locks nothing that claims, uses or rebuilds need.
    others := erase_user_from_trails(of_user);
    -- Not before: promotions and users wait for an entry that is locked.
    others := others || erase_user_from_lines(of_user);
    SELECT r.ids, r.counts, r.why INTO ids, counts, why FROM replace_user(of_user, of_coupons) AS r;
    IF why IS NOT NULL THEN
      RAISE SQLSTATE 'CE001';
    END IF;
  EXCEPTION WHEN SQLSTATE 'CE001' THEN
    RETURN;  -- and the trails and lines are as before
  END;
  counts := counts || others || erase_user_from_audiences(of_user);
  made := prove_erasure(of_user, of_coupons, counts, by_whom, log_keeps);
  PERFORM watch_erased(of_user, of_coupons, ids, made, now() + log_keeps);
  PERFORM erase_user_from_exports(of_user, made);
END $$;

-- Nothing of a retired coupon changes: one function for all triggers that see one row.
ALTER FUNCTION refuse_code_of_retired() RENAME TO refuse_row_of_retired;
CREATE OR REPLACE TRIGGER coupon_retired_is_settled
  BEFORE UPDATE OF issued_count, rejected_count ON coupon
  FOR EACH ROW WHEN (OLD.admin_state = 'archived')
  EXECUTE FUNCTION refuse_row_of_retired();
DROP FUNCTION refuse_outcome_of_retired();
