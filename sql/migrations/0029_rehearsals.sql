-- Rehearsals: coupons that run through everything with synthetic users, that no user sees, and of which nothing is left.
-- depends: 0028_standby_list

-- One row a rehearsal, written with its coupon. It stays as the proof of the purge, and keeps the id from being used
-- again: Kafka may still have records of it.
CREATE TABLE rehearsal (
  coupon_id      bigint PRIMARY KEY,
  begun_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  purged_at      timestamptz,
  counts         jsonb,
  log_forgets_at timestamptz,
  CONSTRAINT purge_has_a_proof CHECK (
    (purged_at IS NULL) = (counts IS NULL) AND (purged_at IS NOT NULL OR log_forgets_at IS NULL))
);
COMMENT ON COLUMN rehearsal.purged_at IS 'When the ledger deleted everything of the coupon; null: it has not.';
COMMENT ON COLUMN rehearsal.counts IS 'By table: rows that were deleted.';
COMMENT ON COLUMN rehearsal.log_forgets_at IS 'When Kafka has deleted its last record of the coupon; null: never, or it is not purged.';

-- A coupon is for the group of synthetic users if and only if it was begun as a rehearsal, and the id of one that was
-- purged counts as used. The gate then keeps everybody else out, as from any other group. Real users cannot be in it:
-- the API takes it only with an id that is reserved for synthetic users (coupons/ids.py).
CREATE FUNCTION keep_rehearsals_apart() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  mark rehearsal;
BEGIN
  SELECT * INTO mark FROM rehearsal WHERE coupon_id = NEW.coupon_id;
  IF mark.purged_at IS NOT NULL THEN
    RETURN NULL;
  END IF;
  IF (mark.coupon_id IS NOT NULL) <> (coalesce(NEW.eligible_group, '') = 'coupon-rehearsal') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'check_violation',
      CONSTRAINT = 'coupon_rehearsal_is_begun_as_one',
      MESSAGE = format('coupon %s: only `coupon rehearse` makes a rehearsal', NEW.coupon_id);
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION keep_rehearsals_apart() FROM PUBLIC;
CREATE TRIGGER coupon_rehearsal_is_begun_as_one
  BEFORE INSERT ON coupon
  FOR EACH ROW EXECUTE FUNCTION keep_rehearsals_apart();

CREATE FUNCTION refuse_other_rehearsal() RETURNS trigger
  LANGUAGE plpgsql SET search_path = public, pg_temp
  AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'check_violation',
    CONSTRAINT = 'coupon_rehearsal_stays_one',
    MESSAGE = format('coupon %s: a rehearsal stays one, and no other coupon becomes one', OLD.coupon_id);
END $$;
CREATE TRIGGER coupon_rehearsal_stays_one
  BEFORE UPDATE OF eligible_group ON coupon
  FOR EACH ROW
  WHEN (NEW.eligible_group IS DISTINCT FROM OLD.eligible_group
        AND 'coupon-rehearsal' IN (coalesce(NEW.eligible_group, ''), coalesce(OLD.eligible_group, '')))
  EXECUTE FUNCTION refuse_other_rehearsal();

-- Makes a coupon that is a rehearsal, open from now on.
-- out: the coupon
CREATE FUNCTION begin_rehearsal(of_name text, total bigint, by_whom text) RETURNS SETOF coupon
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  id bigint;
BEGIN
  PERFORM set_config('coupon.acted_by', by_whom, true);
  LOOP
    id := nextval('coupon_id_seq');
    -- Ids may be chosen: the next of the sequence may be used.
    EXIT WHEN NOT EXISTS (SELECT FROM coupon c WHERE c.coupon_id = id)
          AND NOT EXISTS (SELECT FROM rehearsal r WHERE r.coupon_id = id);
  END LOOP;
  INSERT INTO rehearsal (coupon_id) VALUES (id);
  RETURN QUERY
    INSERT INTO coupon (coupon_id, name, total_quantity, eligible_group)
    VALUES (id, of_name, total, 'coupon-rehearsal') RETURNING *;
END $$;
REVOKE ALL ON FUNCTION begin_rehearsal(text, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_rehearsal(text, bigint, text) TO coupon_ops;

-- Every table with a column coupon_id, whoever adds it, those that refer to another one first. Not `rehearsal`, which
-- is the proof.
CREATE FUNCTION tables_of_coupons() RETURNS SETOF regclass
  LANGUAGE sql STABLE SET search_path = public, pg_temp
  AS $$
  WITH RECURSIVE named AS (
    SELECT c.oid FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'coupon_id' AND NOT a.attisdropped
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND c.oid <> 'rehearsal'::regclass
  ), referred AS (
    SELECT oid, 0 AS depth FROM named
    UNION
    SELECT f.confrelid, r.depth + 1
      FROM referred r
      JOIN pg_constraint f ON f.conrelid = r.oid AND f.contype = 'f' AND f.confrelid <> f.conrelid
      JOIN named n ON n.oid = f.confrelid
     WHERE r.depth < 100
  )
  SELECT oid::regclass FROM referred GROUP BY oid ORDER BY max(depth), oid::regclass::text
$$;
REVOKE ALL ON FUNCTION tables_of_coupons() FROM PUBLIC;

-- Reads every row of the tables that have no index on coupon_id.
-- out: of each of these tables, how many rows are of this coupon
CREATE FUNCTION count_rows_of_coupon(of_coupon bigint) RETURNS TABLE (table_name text, row_count bigint)
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  one regclass;
BEGIN
  FOR one IN SELECT * FROM tables_of_coupons() LOOP
    table_name := one::text;
    EXECUTE format('SELECT count(*) FROM %s WHERE coupon_id = $1', one) INTO row_count USING of_coupon;
    RETURN NEXT;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION count_rows_of_coupon(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION count_rows_of_coupon(bigint) TO coupon_ops;

-- Deletes every row of a rehearsal in one transaction, and keeps the proof. No publication has deletes, so that nothing
-- of it is streamed. A claim that was admitted before, and is written afterwards, finds no coupon.
-- in:  by_whom; log_keeps: how long Kafka keeps a record (null: for good)
-- out: why nothing was done: no_rehearsal, not_closed, in_flight, rebuilding; null: done, or it was done before
CREATE FUNCTION purge_rehearsal(of_coupon bigint, by_whom text, log_keeps interval, OUT why text)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  mark    rehearsal;
  its     coupon;
  one     regclass;
  has_any boolean;
  number  bigint;
  deleted jsonb := '{}';
  now_at  timestamptz;
BEGIN
  SELECT * INTO mark FROM rehearsal WHERE coupon_id = of_coupon FOR UPDATE;
  IF NOT FOUND THEN
    why := 'no_rehearsal';
    RETURN;
  ELSIF mark.purged_at IS NOT NULL THEN
    RETURN;
  END IF;
  -- Waits for requests that are being accepted or issued; the next statements see them.
  SELECT * INTO its FROM coupon WHERE coupon_id = of_coupon FOR UPDATE;
  why := CASE
    WHEN its.state <> 'closed' THEN 'not_closed'
    WHEN EXISTS (SELECT FROM coupon_issue_request WHERE coupon_id = of_coupon
                 OFFSET its.issued_count + its.rejected_count LIMIT 1) THEN 'in_flight'
    -- The lock of the query lock_rebuild: a rebuild would load the keys again.
    WHEN NOT pg_try_advisory_xact_lock(1668249711, hashint8(of_coupon)) THEN 'rebuilding'
  END;
  IF why IS NOT NULL THEN
    RETURN;
  END IF;
  -- Deleting locks a table, also where it finds no row; an erasure waits for that of sweeps, so that it comes last.
  FOR one IN
    SELECT t FROM tables_of_coupons() WITH ORDINALITY AS o (t, place)
     ORDER BY t = 'coupon'::regclass, t = 'coupon_expiry_walk'::regclass, place
  LOOP
    number := 0;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE coupon_id = $1)', one) INTO has_any USING of_coupon;
    IF has_any THEN
      EXECUTE format('DELETE FROM %s WHERE coupon_id = $1', one) USING of_coupon;
      GET DIAGNOSTICS number = ROW_COUNT;
    END IF;
    deleted := deleted || jsonb_build_object(one::text, number);
  END LOOP;
  now_at := clock_timestamp();
  UPDATE rehearsal
     SET purged_at = now_at, counts = deleted, log_forgets_at = now_at + log_keeps
   WHERE coupon_id = of_coupon;
  INSERT INTO operator_action (acted_by, action, result, detail)
  VALUES (by_whom, 'purge rehearsal', 'done', format('rehearsal %s', of_coupon));
END $$;
REVOKE ALL ON FUNCTION purge_rehearsal(bigint, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purge_rehearsal(bigint, text, interval) TO coupon_ops;

GRANT SELECT ON rehearsal TO coupon_ops;
GRANT SELECT (coupon_id, purged_at) ON rehearsal TO coupon_consumer, coupon_reconciler, coupon_monitor;

-- Other services learn of no synthetic user: their rows never leave Postgres. Ids as in coupons/ids.py.
ALTER PUBLICATION coupon_events SET TABLE
  issued_coupon WHERE (user_id < 9223369837831520256 OR user_id >= 9223370937343148032),
  issued_coupon_change WHERE (user_id < 9223369837831520256 OR user_id >= 9223370937343148032),
  cdc_heartbeat;
