-- Erases a user: what is counted stays, under an id that nobody has, and nothing leads back to the user.
-- depends: 0023_archived_coupons_leave_the_gate

-- The proof of an erasure. It holds no id of the user, and nothing that was computed from it.
CREATE TABLE erasure (
  erasure_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  erased_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  asked_by       text NOT NULL CHECK (length(asked_by) BETWEEN 1 AND 200),
  counts         jsonb NOT NULL,
  at_gate_since  timestamptz,
  log_keeps      interval,
  log_forgets_at timestamptz,
  repeated       bigint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN erasure.counts IS 'By table: rows that named the user, and do not any more.';
COMMENT ON COLUMN erasure.at_gate_since IS 'When the gate had forgotten the user; null: it has not yet.';
COMMENT ON COLUMN erasure.log_keeps IS 'How long Kafka keeps a record; null: for good.';
COMMENT ON COLUMN erasure.log_forgets_at IS 'When the request topic and the events have deleted their last record of the user; null: they keep records for good.';
COMMENT ON COLUMN erasure.repeated IS 'Requests that a record of Kafka brought back, and that were erased again.';

-- Requests that were erased, while Kafka still has their records: a record that is handled again brings its request
-- back, and this says that it has to go again. It names the user as long as Kafka does, and no longer.
CREATE TABLE erased_request (
  user_id       bigint NOT NULL,
  coupon_id     bigint NOT NULL,
  requested_at  timestamptz NOT NULL,
  erasure_id    uuid NOT NULL REFERENCES erasure,
  replaced_by   bigint,
  at_gate_since timestamptz,
  forget_at     timestamptz,
  PRIMARY KEY (user_id, coupon_id, requested_at)
);
CREATE INDEX erased_request_at_gate ON erased_request (user_id) WHERE replaced_by IS NOT NULL;
CREATE INDEX erasure_not_at_gate ON erasure (erasure_id) WHERE at_gate_since IS NULL;
CREATE INDEX erased_request_by_end ON erased_request (forget_at);
COMMENT ON COLUMN erased_request.replaced_by IS 'The id that the row has now, until the gate has it and no mark of the user can be late any more; null: so it is.';
COMMENT ON COLUMN erased_request.at_gate_since IS 'When the gate had that id; null: it has not yet.';

-- How a user is named by whom they do something, at a till too.
CREATE FUNCTION names_of_user(of_user bigint) RETURNS text[]
  LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp
  RETURN ARRAY['user ' || of_user, 'user ' || of_user || ' (coupon:redeem)'];

-- Takes the user out of the tables that are read as a whole, because only what staff does in them names a user.
-- out: counts by table
CREATE FUNCTION erase_user_from_trails(of_user bigint, OUT counts jsonb)
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
REVOKE ALL ON FUNCTION erase_user_from_trails(bigint) FROM PUBLIC;

-- Replaces the user in everything that the ledger holds of these coupons. Each coupon gets another id, so that nothing
-- shows that two of them belonged to one user. The ids of users end before 2^63 - 2^40.
-- Nothing of this is streamed: the publications have inserts only, and what is inserted has the new id.
-- out: ids, in the order of the coupons; counts by table; or why nothing was done: in_flight (a request of the user is
--      not final), rebuilding (the gate of a coupon: it may have read the user before)
CREATE FUNCTION replace_user(of_user bigint, of_coupons bigint[], OUT ids bigint[], OUT counts jsonb, OUT why text)
  LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp
  AS $$
BEGIN
  -- No page of a sweep meanwhile: it would have read the user and find nobody.
  LOCK TABLE coupon_expiry_walk IN EXCLUSIVE MODE;
  -- Waits for changes of the issued coupons; the next statement sees them.
  PERFORM FROM issued_coupon WHERE user_id = of_user AND coupon_id = ANY (of_coupons) ORDER BY coupon_id FOR UPDATE;
  IF EXISTS (SELECT FROM issue_request
              WHERE user_id = of_user AND coupon_id = ANY (of_coupons) AND status = 'REQUESTED') THEN
    why := 'in_flight';
    RETURN;
  END IF;
  -- The lock of the query lock_rebuild: none runs, and the next one reads what is committed here.
  IF NOT (SELECT coalesce(bool_and(pg_try_advisory_xact_lock(1668249711, hashint8(c.id))), true)
            FROM unnest(of_coupons) AS c (id)) THEN
    why := 'rebuilding';
    RETURN;
  END IF;

  ids := ARRAY(SELECT 9223370937343148032 + floor(random() * 1099511627776)::bigint FROM unnest(of_coupons));
  -- One statement: the foreign keys between these tables are checked at its end.
  WITH held AS MATERIALIZED (
    SELECT * FROM unnest(of_coupons, ids) AS h (coupon_id, new_id)
  ), request AS (
    UPDATE coupon_issue_request r SET user_id = h.new_id
      FROM held h WHERE r.coupon_id = h.coupon_id AND r.user_id = of_user RETURNING 1
  ), issued AS (
    UPDATE issued_coupon i SET user_id = h.new_id
      FROM held h WHERE i.coupon_id = h.coupon_id AND i.user_id = of_user RETURNING 1
  ), rejected AS (
    UPDATE issue_rejection j SET user_id = h.new_id
      FROM held h WHERE j.coupon_id = h.coupon_id AND j.user_id = of_user RETURNING 1
  ), change AS (
    -- The orders keep their number, so that one that used the coupon twice, or cancelled its use, still shows.
    UPDATE issued_coupon_change n
       SET user_id = h.new_id,
           order_reference = 'erased ' || (
             SELECT min(f.change_number) FROM issued_coupon_change f
              WHERE f.user_id = of_user AND f.coupon_id = n.coupon_id AND f.order_reference = n.order_reference),
           reason = CASE WHEN n.reason IS NOT NULL THEN 'erased' END,
           changed_by = CASE WHEN n.changed_by = ANY (names_of_user(of_user)) THEN 'erased user' ELSE n.changed_by END
      FROM held h WHERE n.coupon_id = h.coupon_id AND n.user_id = of_user RETURNING 1
  ), code AS (
    -- The code itself stays: it is never given to anybody else.
    UPDATE coupon_code k SET user_id = h.new_id
      FROM held h WHERE k.coupon_id = h.coupon_id AND k.user_id = of_user RETURNING 1
  )
  SELECT jsonb_build_object(
           'coupon_issue_request', (SELECT count(*) FROM request),
           'issued_coupon', (SELECT count(*) FROM issued),
           'issue_rejection', (SELECT count(*) FROM rejected),
           'issued_coupon_change', (SELECT count(*) FROM change),
           'coupon_code', (SELECT count(*) FROM code))
    INTO counts;
  -- A row that was rewritten meanwhile, as a repair of the change stream does, was not seen.
  IF EXISTS (SELECT FROM issued_coupon WHERE user_id = of_user AND coupon_id = ANY (of_coupons))
     OR EXISTS (SELECT FROM coupon_issue_request WHERE user_id = of_user AND coupon_id = ANY (of_coupons)) THEN
    RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = 'the ledger was changed meanwhile: try again';
  END IF;
  -- An old record of Kafka writes an outcome and no request. The one that is written here streams the new id only.
  INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)
  SELECT o.coupon_id, o.user_id, o.requested_at
    FROM unnest(of_coupons, ids) AS h (coupon_id, new_id)
    JOIN (SELECT coupon_id, user_id, requested_at FROM issued_coupon
          UNION ALL SELECT coupon_id, user_id, requested_at FROM issue_rejection) AS o
      ON o.coupon_id = h.coupon_id AND o.user_id = h.new_id
  ON CONFLICT (coupon_id, user_id) DO NOTHING;
  UPDATE coupon_expiry_walk SET after_user_id = of_user - 1 WHERE after_user_id = of_user;
END $$;
REVOKE ALL ON FUNCTION replace_user(bigint, bigint[]) FROM PUBLIC;

-- What was replaced is watched for, as long as Kafka has its records.
-- in:  ids, in the order of the coupons; ends: when Kafka has deleted the records (null: never)
CREATE FUNCTION watch_erased(of_user bigint, of_coupons bigint[], ids bigint[], of_erasure uuid, ends timestamptz)
  RETURNS void
  LANGUAGE sql VOLATILE SET search_path = public, pg_temp
  AS $$
  INSERT INTO erased_request (user_id, coupon_id, requested_at, erasure_id, replaced_by, forget_at)
  SELECT of_user, h.coupon_id, coalesce(r.requested_at, i.requested_at, j.requested_at), of_erasure, h.new_id, ends
    FROM unnest(of_coupons, ids) AS h (coupon_id, new_id)
    LEFT JOIN coupon_issue_request r ON r.coupon_id = h.coupon_id AND r.user_id = h.new_id
    LEFT JOIN issued_coupon i ON i.coupon_id = h.coupon_id AND i.user_id = h.new_id
    LEFT JOIN issue_rejection j ON j.coupon_id = h.coupon_id AND j.user_id = h.new_id
   WHERE coalesce(r.requested_at, i.requested_at, j.requested_at) IS NOT NULL
  ON CONFLICT (user_id, coupon_id, requested_at)
  DO UPDATE SET erasure_id = excluded.erasure_id, replaced_by = excluded.replaced_by, at_gate_since = NULL,
                forget_at = excluded.forget_at;
$$;
REVOKE ALL ON FUNCTION watch_erased(bigint, bigint[], bigint[], uuid, timestamptz) FROM PUBLIC;

-- Erases the user from these coupons, of which it has requests, and from the audit trails. One erasure at a time: two
-- that name each other would wait for each other.
-- in:  by_whom; log_keeps: how long Kafka keeps a record (null: for good)
-- out: made: the erasure; or why nothing was done, as replace_user says
CREATE FUNCTION erase_user(
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
  counts := counts || others;
  -- Somebody who asks again gets the same proof.
  IF NOT EXISTS (SELECT FROM jsonb_each(counts) WHERE value <> '0') THEN
    SELECT e.erasure_id INTO made FROM erased_request t JOIN erasure e USING (erasure_id)
     WHERE t.user_id = of_user ORDER BY e.erased_at DESC LIMIT 1;
  END IF;
  IF made IS NULL THEN
    INSERT INTO erasure (asked_by, counts, log_keeps, log_forgets_at, at_gate_since)
    VALUES (who, counts, log_keeps, ends,
            CASE WHEN of_coupons = '{}'
                  AND NOT EXISTS (SELECT FROM erased_request
                                   WHERE user_id = of_user AND replaced_by IS NOT NULL AND at_gate_since IS NULL)
                 THEN clock_timestamp() END)
    RETURNING erasure_id INTO made;
    INSERT INTO operator_action (acted_by, action, result, detail)
    VALUES (who, 'erase user', 'done', 'erasure ' || made);
  END IF;
  PERFORM watch_erased(of_user, of_coupons, ids, made, ends);
END $$;
REVOKE ALL ON FUNCTION erase_user(bigint, bigint[], text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_user(bigint, bigint[], text, interval) TO coupon_api, coupon_ops;

-- Repeats an erasure, since a record of Kafka brought these requests back.
-- out: why nothing was done, as replace_user says; null: it was
CREATE FUNCTION erase_user_again(of_user bigint, of_coupons bigint[], of_erasure uuid, OUT why text)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  ids    bigint[];
  counts jsonb;
  number bigint;
  ends   timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock(1668249712);
  SELECT r.ids, r.counts, r.why INTO ids, counts, why FROM replace_user(of_user, of_coupons) AS r;
  IF why IS NOT NULL THEN
    RETURN;
  END IF;
  IF EXISTS (SELECT FROM unnest(of_coupons, ids) AS h (coupon_id, new_id)
               JOIN coupon_issue_request r ON r.coupon_id = h.coupon_id AND r.user_id = h.new_id
              WHERE NOT EXISTS (SELECT FROM erased_request t
                                 WHERE t.user_id = of_user AND t.coupon_id = r.coupon_id AND t.requested_at = r.requested_at)) THEN
    RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = 'the user has claimed again meanwhile';
  END IF;
  number := (counts ->> 'issued_coupon')::bigint + (counts ->> 'issue_rejection')::bigint;
  IF number = 0 THEN
    RETURN;  -- another reconciler has done it
  END IF;
  -- The record may be in the log for as long again.
  UPDATE erasure SET repeated = repeated + number, log_forgets_at = now() + log_keeps WHERE erasure_id = of_erasure
  RETURNING log_forgets_at INTO ends;
  PERFORM watch_erased(of_user, of_coupons, ids, of_erasure, ends);
END $$;
REVOKE ALL ON FUNCTION erase_user_again(bigint, bigint[], uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_user_again(bigint, bigint[], uuid) TO coupon_reconciler;

-- The gate has these ids in place of the user's. Nothing says any more which id replaced which, once the gate has had it
-- for so long that no mark of the user comes any more.
-- in:  of_coupons and ids: what was replaced; late_marks: for how long they may come
CREATE FUNCTION end_erasure(of_user bigint, of_coupons bigint[], ids bigint[], late_marks interval) RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  UPDATE erased_request t
     SET at_gate_since = coalesce(t.at_gate_since, clock_timestamp()),
         replaced_by = CASE WHEN t.at_gate_since < now() - late_marks THEN NULL ELSE t.replaced_by END
    FROM unnest(of_coupons, ids) AS h (coupon_id, new_id)
   WHERE t.user_id = of_user AND t.coupon_id = h.coupon_id AND t.replaced_by = h.new_id;
  -- Also those that were cut off. One that has no request itself waits for all: it does not say whose it is.
  UPDATE erasure e SET at_gate_since = clock_timestamp()
   WHERE e.at_gate_since IS NULL
     AND NOT EXISTS (
       SELECT FROM erased_request t
        WHERE t.replaced_by IS NOT NULL AND t.at_gate_since IS NULL
          AND (t.erasure_id = e.erasure_id
               OR NOT EXISTS (SELECT FROM erased_request o WHERE o.erasure_id = e.erasure_id)));
$$;
REVOKE ALL ON FUNCTION end_erasure(bigint, bigint[], bigint[], interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION end_erasure(bigint, bigint[], bigint[], interval) TO coupon_api, coupon_ops, coupon_reconciler;

-- Kafka has forgotten these requests, and so does the ledger.
-- out: how many
CREATE FUNCTION forget_erased_requests() RETURNS bigint
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  WITH forgotten AS (DELETE FROM erased_request WHERE forget_at <= now() AND replaced_by IS NULL RETURNING 1)
  SELECT count(*) FROM forgotten
$$;
REVOKE ALL ON FUNCTION forget_erased_requests() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_erased_requests() TO coupon_reconciler;

GRANT SELECT ON erasure, erased_request TO coupon_api, coupon_ops, coupon_reconciler;
