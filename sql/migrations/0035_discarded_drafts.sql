-- Drafts that nobody needs are discarded, and the rest of retired coupons goes with their rows.
-- depends: 0034_erasures_of_all_that_is_new

-- One row a draft that was discarded: its id is never used again, and asking again gets the same
-- answer. Who did it, and what it was, is in the audit trail.
CREATE TABLE discarded_coupon (
  coupon_id    bigint PRIMARY KEY,
  discarded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  codes        bigint NOT NULL CHECK (codes >= 0),
  list_size bigint NOT NULL CHECK (list_size >= 0)
);
COMMENT ON COLUMN discarded_coupon.codes IS 'How many codes of its pool went with it.';
COMMENT ON COLUMN discarded_coupon.list_size IS 'How many users its list had, which went with it.';

-- What belongs to a coupon is found by it: deleting the coupon, or its choice of codes, looks for all that refers to it,
-- and would else read these tables from beginning to end. Claims write neither of them.
CREATE INDEX standby_entry_of_coupon ON standby_entry (coupon_id);
CREATE INDEX coupon_code_of_kind ON coupon_code (coupon_id, kind);

-- The trail as note_coupon_change has it, of a coupon that is gone.
CREATE FUNCTION note_discarded(was coupon, by_whom text, said text) RETURNS void
  LANGUAGE sql VOLATILE SET search_path = public, pg_temp
  AS $$
  INSERT INTO operator_action (acted_by, action, coupon_id, result, detail, changes)
  SELECT left(by_whom, 200), 'discard draft', was.coupon_id, 'done', said,
         jsonb_object_agg(key, jsonb_build_object('from', value, 'to', NULL))
    FROM jsonb_each(coupon_as_json(was))
   WHERE value <> 'null'
     AND key IN ('state', 'total_quantity', 'name', 'issue_starts_at', 'issue_ends_at', 'eligible_group',
                 'valid_for_days', 'valid_until', 'discount', 'metadata')
$$;
REVOKE ALL ON FUNCTION note_discarded(coupon, text, text) FROM PUBLIC;

-- Deletes a draft with its codes, its list of users and its waiting room. A draft was never open, so that nobody has a
-- request, and the gate never had it. Codes and lists are locked first, as whoever uploads them does.
-- in:  seen_versions: one of which it must have; null: whichever
-- out: outcome (discarded, also if it was before; not_found; not_draft; changed: it has none of the versions; busy: codes
--      or users are being uploaded); state, of what is no draft; the row of discarded_coupon
CREATE FUNCTION discard_draft(
  of_coupon bigint, seen_versions bigint[], by_whom text,
  OUT outcome text, OUT its_state text, OUT discarded discarded_coupon
)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  its       coupon;
  has_codes boolean := false;
BEGIN
  -- No erasure meanwhile: it takes users out of lists.
  PERFORM pg_advisory_xact_lock_shared(1668249712);
  discarded.codes := 0;
  BEGIN
    SELECT * INTO its FROM coupon WHERE coupon_id = of_coupon;
    IF its.admin_state = 'draft' THEN
      PERFORM FROM coupon_codes WHERE coupon_id = of_coupon FOR UPDATE SKIP LOCKED;
      has_codes := FOUND;
      IF NOT has_codes AND EXISTS (SELECT FROM coupon_codes WHERE coupon_id = of_coupon) THEN
        outcome := 'busy';
        RAISE SQLSTATE 'CE002';
      END IF;
      DELETE FROM audience_upload WHERE coupon_id = of_coupon;
      DELETE FROM coupon_audience WHERE coupon_id = of_coupon RETURNING size INTO discarded.list_size;
      DELETE FROM coupon_code WHERE coupon_id = of_coupon AND user_id IS NULL;
      GET DIAGNOSTICS discarded.codes = ROW_COUNT;
      -- From here on nobody refers to it any more, nor opens it.
      SELECT * INTO its FROM coupon WHERE coupon_id = of_coupon FOR UPDATE;
    END IF;
    outcome := CASE
      WHEN its.coupon_id IS NULL THEN 'not_found'
      WHEN seen_versions IS NOT NULL AND its.version <> ALL (seen_versions) THEN 'changed'
      WHEN its.admin_state IS DISTINCT FROM 'draft' THEN 'not_draft'
      WHEN EXISTS (SELECT FROM audience_upload WHERE coupon_id = of_coupon)
           OR EXISTS (SELECT FROM coupon_audience WHERE coupon_id = of_coupon) THEN 'busy'
      WHEN NOT has_codes AND EXISTS (SELECT FROM coupon_codes WHERE coupon_id = of_coupon) THEN 'busy'
      ELSE 'discarded' END;
    its_state := coalesce(its.admin_state, its.state);
    IF outcome <> 'discarded' THEN
      RAISE SQLSTATE 'CE002';
    END IF;
    DELETE FROM coupon_codes WHERE coupon_id = of_coupon;
    DELETE FROM waiting_room WHERE coupon_id = of_coupon;
    DELETE FROM coupon WHERE coupon_id = of_coupon;
  EXCEPTION WHEN SQLSTATE 'CE002' THEN
    NULL;  -- and everything is as before
  END;
  IF outcome = 'not_found' THEN
    SELECT * INTO discarded FROM discarded_coupon WHERE coupon_id = of_coupon;
    outcome := CASE WHEN FOUND THEN 'discarded' ELSE outcome END;
    RETURN;
  ELSIF outcome <> 'discarded' THEN
    RETURN;
  END IF;
  INSERT INTO discarded_coupon (coupon_id, codes, list_size)
  VALUES (of_coupon, discarded.codes, coalesce(discarded.list_size, 0)) RETURNING * INTO discarded;
  PERFORM note_discarded(its, by_whom, format('%s of %s; %s codes, %s users of its list', its.total_quantity, its.name,
                                              discarded.codes, discarded.list_size));
END $$;
REVOKE ALL ON FUNCTION discard_draft(bigint, bigint[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION discard_draft(bigint, bigint[], text) TO coupon_api;
GRANT SELECT (coupon_id) ON discarded_coupon TO coupon_reconciler;

-- As in 0029, and the id of a draft that was discarded counts as used, too.
CREATE OR REPLACE FUNCTION keep_rehearsals_apart() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  mark rehearsal;
BEGIN
  -- Waits for whoever discards the draft that has this id; the next statements see that it is gone.
  PERFORM FROM coupon WHERE coupon_id = NEW.coupon_id FOR KEY SHARE;
  SELECT * INTO mark FROM rehearsal WHERE coupon_id = NEW.coupon_id;
  IF mark.purged_at IS NOT NULL OR EXISTS (SELECT FROM discarded_coupon WHERE coupon_id = NEW.coupon_id) THEN
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
CREATE OR REPLACE FUNCTION begin_rehearsal(of_name text, total bigint, by_whom text) RETURNS SETOF coupon
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
          AND NOT EXISTS (SELECT FROM rehearsal r WHERE r.coupon_id = id)
          AND NOT EXISTS (SELECT FROM discarded_coupon d WHERE d.coupon_id = id);
  END LOOP;
  INSERT INTO rehearsal (coupon_id) VALUES (id);
  RETURN QUERY
    INSERT INTO coupon (coupon_id, name, total_quantity, eligible_group)
    VALUES (id, of_name, total, 'coupon-rehearsal') RETURNING *;
END $$;

-- Removes what a retired coupon has besides requests: its line, its list of users, its waiting room.
-- out: how many users its list had
CREATE FUNCTION drop_rest_of_retired(of_coupon bigint) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp
  AS $$
DECLARE
  listed bigint;
BEGIN
  -- No erasure meanwhile, which takes users out of lists and lines. Before anything that it waits for.
  PERFORM pg_advisory_xact_lock_shared(1668249712);
  DELETE FROM standby_entry WHERE coupon_id = of_coupon;
  DELETE FROM audience_upload WHERE coupon_id = of_coupon;
  DELETE FROM coupon_audience WHERE coupon_id = of_coupon RETURNING size INTO listed;
  UPDATE coupon SET audience = NULL WHERE coupon_id = of_coupon AND audience IS NOT NULL;
  DELETE FROM waiting_room WHERE coupon_id = of_coupon;
  RETURN coalesce(listed, 0);
END $$;
REVOKE ALL ON FUNCTION drop_rest_of_retired(bigint) FROM PUBLIC;

-- As in 0030, and the rest.
CREATE OR REPLACE FUNCTION drop_retired(
  of_coupon bigint, after_user bigint, page_size integer, by_whom text,
  OUT last_user bigint, OUT dropped bigint, OUT is_done boolean
)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  users  bigint[];
  listed bigint;
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
  -- A user who was erased meanwhile has a greater id, which an earlier page may have passed.
  IF EXISTS (SELECT FROM coupon_issue_request WHERE coupon_id = of_coupon) THEN
    last_user := 0;
    RETURN;
  END IF;
  listed := drop_rest_of_retired(of_coupon);
  -- An erasure that ended while this waited may have given another id to a user whom it found: the next page has it.
  IF EXISTS (SELECT FROM coupon_issue_request WHERE coupon_id = of_coupon) THEN
    last_user := 0;
    RETURN;
  END IF;
  DELETE FROM coupon_expiry_walk WHERE coupon_id = of_coupon;
  UPDATE coupon_codes SET pool_size = 0 WHERE coupon_id = of_coupon;
  UPDATE retired_coupon SET dropped_at = clock_timestamp() WHERE coupon_id = of_coupon;
  INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
  SELECT by_whom, 'retire coupon', of_coupon, 'done',
         format('%s requests', counts ->> 'accepted')
         || CASE WHEN listed > 0 THEN format(', a list of %s users', listed) ELSE '' END
    FROM retired_coupon WHERE coupon_id = of_coupon;
  is_done := true;
END $$;

-- What coupons have left that were retired before. The trail says which had a list, and of how many users. No erasure
-- meanwhile, which takes users out of lists and lines.
DO $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1668249712); END $$;
DELETE FROM standby_entry
 WHERE coupon_id IN (SELECT coupon_id FROM retired_coupon WHERE dropped_at IS NOT NULL);
DELETE FROM audience_upload
 WHERE coupon_id IN (SELECT coupon_id FROM retired_coupon WHERE dropped_at IS NOT NULL);
WITH gone AS (
  DELETE FROM coupon_audience
   WHERE coupon_id IN (SELECT coupon_id FROM retired_coupon WHERE dropped_at IS NOT NULL)
  RETURNING coupon_id, size
)
INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
SELECT 'coupon migrate', 'retire coupon', coupon_id, 'done', format('a list of %s users', size) FROM gone;
UPDATE coupon SET audience = NULL
 WHERE audience IS NOT NULL AND coupon_id IN (SELECT coupon_id FROM retired_coupon WHERE dropped_at IS NOT NULL);
DELETE FROM waiting_room
 WHERE coupon_id IN (SELECT coupon_id FROM retired_coupon WHERE dropped_at IS NOT NULL);
