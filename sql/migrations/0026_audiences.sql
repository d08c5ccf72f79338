-- Audiences by list: the users who may claim a coupon, as an administrator uploaded them.
-- depends: 0025_monitor_reads_erasures

ALTER TABLE coupon ADD COLUMN audience text
  CONSTRAINT coupon_audience_has_its_form CHECK (audience ~ '^[1-9][0-9]* [1-9][0-9]* [1-4] [0-5]$');
COMMENT ON COLUMN coupon.audience IS 'Null: everybody. Else "version chunks low high": how coupon_audience_chunk holds the list. The gate has the same text. Versions are never given out twice.';
CREATE INDEX coupon_with_audience ON coupon (coupon_id) WHERE audience IS NOT NULL;

-- The list that is in force. upload_id: of the upload that it was; the same upload is not made to a list twice.
CREATE TABLE coupon_audience (
  coupon_id bigint PRIMARY KEY REFERENCES coupon,
  size      bigint NOT NULL CHECK (size >= 0),
  upload_id uuid NOT NULL,
  listed_by text NOT NULL,
  listed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Its users, in the form in which the gate holds them, so that a rebuild only copies. User u is in chunk
-- u % chunks, as a record of low + high bytes: u / chunks % 10^9 and u / chunks / 10^9, the greatest byte first.
CREATE TABLE coupon_audience_chunk (
  coupon_id bigint NOT NULL REFERENCES coupon_audience ON DELETE CASCADE,
  chunk     bigint NOT NULL,
  users     bytea NOT NULL,
  PRIMARY KEY (coupon_id, chunk)
);
ALTER TABLE coupon_audience_chunk ALTER COLUMN users SET STORAGE EXTERNAL;  -- it cannot be compressed

-- A list on its way here: at most one for a coupon. file_offset: bytes of the file that are taken. unfinished: what is there of
-- its next line. listed: users so far, repeated ones too.
CREATE TABLE audience_upload (
  upload_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  coupon_id     bigint NOT NULL UNIQUE REFERENCES coupon,
  changed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  file_offset   bigint NOT NULL DEFAULT 0,
  unfinished    bytea NOT NULL DEFAULT '',
  lines         bigint NOT NULL DEFAULT 0,
  listed        bigint NOT NULL DEFAULT 0,
  refused       jsonb NOT NULL DEFAULT '{}',
  first_refused jsonb NOT NULL DEFAULT '[]'
);
COMMENT ON COLUMN audience_upload.refused IS 'How many lines were left out, by reason.';
COMMENT ON COLUMN audience_upload.first_refused IS 'Number and reason of the first of them.';
CREATE TABLE audience_upload_part (
  upload_id  uuid NOT NULL REFERENCES audience_upload ON DELETE CASCADE,
  first_line bigint NOT NULL,
  user_ids   bigint[] NOT NULL,
  PRIMARY KEY (upload_id, first_line)
);
ALTER TABLE audience_upload_part ALTER COLUMN user_ids SET STORAGE EXTERNAL;  -- compressing takes longer than the rest

-- Begins an upload; one that was begun before for this coupon, and one that nobody went on with for a day, is gone.
-- out: outcome (begun, not_found, closed, archived) and the upload
CREATE FUNCTION begin_audience_upload(of_coupon bigint, OUT outcome text, OUT begun uuid)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  SELECT CASE WHEN coalesce(admin_state, state) IN ('closed', 'archived') THEN coalesce(admin_state, state) ELSE 'begun' END
    INTO outcome FROM coupon WHERE coupon_id = of_coupon;
  outcome := coalesce(outcome, 'not_found');
  IF outcome = 'begun' THEN
    PERFORM forget_audience_uploads();
    -- One that is being written, or made to a list, is waited for.
    INSERT INTO audience_upload (coupon_id) VALUES (of_coupon)
    ON CONFLICT (coupon_id) DO NOTHING RETURNING upload_id INTO begun;
    IF begun IS NULL THEN
      DELETE FROM audience_upload WHERE coupon_id = of_coupon;
      INSERT INTO audience_upload (coupon_id) VALUES (of_coupon) RETURNING upload_id INTO begun;
    END IF;
  END IF;
END $$;

-- out: how many uploads were removed, because nobody went on with them for a day
CREATE FUNCTION forget_audience_uploads() RETURNS bigint
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  WITH old AS (
    SELECT upload_id FROM audience_upload WHERE changed_at < now() - interval '1 day' FOR UPDATE SKIP LOCKED
  ), forgotten AS (
    DELETE FROM audience_upload u USING old WHERE u.upload_id = old.upload_id RETURNING 1
  )
  SELECT count(*) FROM forgotten
$$;

-- Takes more of a file, if the upload is as the caller saw it. No erasure meanwhile: it would not see the users.
-- out: whether it is
CREATE FUNCTION take_audience_part(
  of_coupon bigint, of_upload uuid, seen_bytes bigint, seen_lines bigint, seen_unfinished bytea,
  now_bytes bigint, now_lines bigint, now_unfinished bytea, users bigint[], now_refused jsonb, now_first_refused jsonb
) RETURNS boolean
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  SELECT pg_advisory_xact_lock_shared(1668249712);
  WITH taken AS (
    UPDATE audience_upload
       SET file_offset = now_bytes, lines = now_lines, unfinished = now_unfinished, listed = listed + cardinality(users),
           refused = now_refused, first_refused = now_first_refused, changed_at = clock_timestamp()
     WHERE upload_id = of_upload AND coupon_id = of_coupon AND file_offset = seen_bytes AND lines = seen_lines
       AND unfinished = seen_unfinished
    RETURNING upload_id
  ), part AS (
    INSERT INTO audience_upload_part (upload_id, first_line, user_ids)
    SELECT upload_id, seen_lines + 1, users FROM taken WHERE cardinality(users) > 0
  )
  SELECT EXISTS (SELECT FROM taken)
$$;

-- Makes an upload the coupon's audience, instead of the one before; each user is there once.
-- in:  chunk_counts: into how many chunks the users may be divided; the first that divides them evenly is taken.
--      most_a_chunk: so evenly. They are prime, so that no two of them fail for the same ids.
-- out: done, repeated (it is the audience already), not_found, closed, archived, empty (no user is in it), uneven
CREATE FUNCTION set_audience(of_coupon bigint, of_upload uuid, chunk_counts bigint[], most_a_chunk bigint, by_whom text)
  RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET work_mem = '64MB'
  AS $$
DECLARE
  users      bigint[];
  chunks     bigint;
  greatest_q bigint;
  is_even    boolean := false;
  low        integer := 4;
  high       integer := 0;
  set_before text;
  seen_state text;
BEGIN
  -- No erasure meanwhile: it would not see the list that is being made.
  PERFORM pg_advisory_xact_lock_shared(1668249712);
  PERFORM FROM audience_upload WHERE upload_id = of_upload AND coupon_id = of_coupon FOR UPDATE;
  IF NOT FOUND THEN
    RETURN CASE WHEN EXISTS (SELECT FROM coupon_audience WHERE coupon_id = of_coupon AND upload_id = of_upload)
                THEN 'repeated' ELSE 'not_found' END;
  END IF;
  users := ARRAY(SELECT DISTINCT u.id FROM audience_upload_part p, unnest(p.user_ids) AS u (id) WHERE p.upload_id = of_upload);
  IF cardinality(users) = 0 THEN
    RETURN 'empty';
  END IF;
  FOREACH chunks IN ARRAY chunk_counts LOOP
    SELECT max(n) <= most_a_chunk INTO is_even
      FROM (SELECT count(*) AS n FROM unnest(users) AS u (id) GROUP BY u.id % chunks) AS c;
    EXIT WHEN is_even;
  END LOOP;
  IF NOT is_even THEN
    RETURN 'uneven';
  END IF;
  SELECT max(u.id) / chunks INTO greatest_q FROM unnest(users) AS u (id);
  IF greatest_q < 1000000000 THEN
    low := CASE WHEN greatest_q < 256 THEN 1 WHEN greatest_q < 65536 THEN 2 WHEN greatest_q < 16777216 THEN 3 ELSE 4 END;
  ELSE
    high := CASE WHEN greatest_q / 1000000000 < 256 THEN 1 WHEN greatest_q / 1000000000 < 65536 THEN 2
                 WHEN greatest_q / 1000000000 < 16777216 THEN 3 WHEN greatest_q / 1000000000 < 4294967296 THEN 4 ELSE 5 END;
  END IF;

  DELETE FROM coupon_audience WHERE coupon_id = of_coupon;
  INSERT INTO coupon_audience (coupon_id, size, upload_id, listed_by)
  VALUES (of_coupon, cardinality(users), of_upload, by_whom);
  INSERT INTO coupon_audience_chunk (coupon_id, chunk, users)
  SELECT of_coupon, g.chunk, coalesce(c.records, '')
    FROM generate_series(0, chunks - 1) AS g (chunk)
    LEFT JOIN (
      SELECT u.id % chunks AS chunk,
             string_agg(substr(int8send(u.id / chunks % 1000000000), 9 - low)
                        || substr(int8send(u.id / chunks / 1000000000), 9 - high), '') AS records
        FROM unnest(users) AS u (id) GROUP BY 1) AS c USING (chunk);
  -- Last, because coupons are issued under the lock of this row.
  SELECT audience, coalesce(admin_state, state) INTO set_before, seen_state
    FROM coupon WHERE coupon_id = of_coupon FOR NO KEY UPDATE;
  IF seen_state IN ('closed', 'archived') THEN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'coupon_audience_of_' || seen_state,
      MESSAGE = format('coupon %s is %s', of_coupon, seen_state);
  END IF;
  UPDATE coupon
     SET audience = format('%s %s %s %s', coupon_next_number(coalesce(split_part(set_before, ' ', 1), '0')::bigint), chunks, low, high)
   WHERE coupon_id = of_coupon;
  INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
  VALUES (by_whom, 'set audience', of_coupon, 'done', format('%s users', cardinality(users)));
  DELETE FROM audience_upload WHERE upload_id = of_upload;
  RETURN 'done';
END $$;

-- Everybody may claim the coupon again, and the list is gone. Of an archived coupon, too.
-- out: done, repeated (it has no list), not_found
CREATE FUNCTION remove_audience(of_coupon bigint, by_whom text) RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(1668249712);
  -- A list that is being set meanwhile is waited for, and only the next statement sees it. The coupon is locked last, as there.
  LOOP
    DELETE FROM coupon_audience WHERE coupon_id = of_coupon;
    EXIT WHEN NOT EXISTS (SELECT FROM coupon_audience WHERE coupon_id = of_coupon);
  END LOOP;
  -- One that is the first of the coupon, and was set since then, stays.
  UPDATE coupon SET audience = NULL
   WHERE coupon_id = of_coupon AND audience IS NOT NULL
     AND NOT EXISTS (SELECT FROM coupon_audience WHERE coupon_id = of_coupon);
  IF NOT FOUND THEN
    RETURN CASE WHEN EXISTS (SELECT FROM coupon WHERE coupon_id = of_coupon) THEN 'repeated' ELSE 'not_found' END;
  END IF;
  INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
  VALUES (by_whom, 'remove audience', of_coupon, 'done', 'everybody may claim it');
  RETURN 'done';
END $$;

-- Takes the user out of every list and every upload. A list gets another version, so that the gate gets it too.
-- out: counts by table
CREATE FUNCTION erase_user_from_audiences(of_user bigint, OUT counts jsonb)
  LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp
  AS $$
DECLARE
  listed  record;
  form    bigint[];
  q       bigint;
  record_ bytea;
  held    bytea;
  at_byte integer;
  found_  integer;
  lists   bigint := 0;
  uploads bigint;
BEGIN
  WITH upload AS (
    UPDATE audience_upload_part SET user_ids = array_remove(user_ids, of_user) WHERE of_user = ANY (user_ids) RETURNING 1
  )
  SELECT count(*) INTO uploads FROM upload;
  -- The beginning of a line: no user whatever follows, so that it becomes nobody else's id either.
  UPDATE audience_upload SET unfinished = 'erased'
   WHERE replace(encode(unfinished, 'escape'), '\357\273\277', '') ~ format('(^|\D)0*%s(\D|$)', of_user);
  UPDATE coupon_audience SET listed_by = 'erased user' WHERE listed_by = ANY (names_of_user(of_user));
  FOR listed IN SELECT coupon_id, audience FROM coupon WHERE audience IS NOT NULL ORDER BY coupon_id LOOP
    form := string_to_array(listed.audience, ' ')::bigint[];
    q := of_user / form[2];
    CONTINUE WHEN q % 1000000000 >= 256 ^ form[3] OR q / 1000000000 >= 256 ^ form[4];
    record_ := substr(int8send(q % 1000000000), 9 - form[3]::integer) || substr(int8send(q / 1000000000), 9 - form[4]::integer);
    SELECT users INTO held FROM coupon_audience_chunk
     WHERE coupon_id = listed.coupon_id AND chunk = of_user % form[2];
    at_byte := 1;
    LOOP
      found_ := position(record_ IN substr(held, at_byte));
      EXIT WHEN coalesce(found_, 0) = 0;
      at_byte := at_byte + found_ - 1;
      IF (at_byte - 1) % length(record_) = 0 THEN
        UPDATE coupon_audience_chunk
           SET users = substr(held, 1, at_byte - 1) || substr(held, at_byte + length(record_))
         WHERE coupon_id = listed.coupon_id AND chunk = of_user % form[2];
        UPDATE coupon_audience SET size = size - 1 WHERE coupon_id = listed.coupon_id;
        UPDATE coupon SET audience = format('%s %s %s %s', coupon_next_number(form[1]), form[2], form[3], form[4])
         WHERE coupon_id = listed.coupon_id;
        lists := lists + 1;
        EXIT;
      END IF;
      at_byte := at_byte + 1;
    END LOOP;
  END LOOP;
  counts := jsonb_build_object('coupon_audience', lists, 'audience_upload_part', uploads);
END $$;

-- As in 0024, and from the lists.
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
END $$;

-- As in 0024, but an erasure that took the user out of a list waits for the lists.
-- in:  of_user: 0: of nobody, and the gate has every list as the ledger has it
CREATE OR REPLACE FUNCTION end_erasure(of_user bigint, of_coupons bigint[], ids bigint[], late_marks interval) RETURNS void
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
     AND (of_user = 0 OR coalesce(e.counts ->> 'coupon_audience', '0') = '0')
     AND NOT EXISTS (
       SELECT FROM erased_request t
        WHERE t.replaced_by IS NOT NULL AND t.at_gate_since IS NULL
          AND (t.erasure_id = e.erasure_id
               OR NOT EXISTS (SELECT FROM erased_request o WHERE o.erasure_id = e.erasure_id)));
$$;

REVOKE ALL ON FUNCTION begin_audience_upload(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION forget_audience_uploads() FROM PUBLIC;
REVOKE ALL ON FUNCTION take_audience_part(bigint, uuid, bigint, bigint, bytea, bigint, bigint, bytea, bigint[], jsonb, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION set_audience(bigint, uuid, bigint[], bigint, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION remove_audience(bigint, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION erase_user_from_audiences(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_audience_upload(bigint) TO coupon_api;
GRANT EXECUTE ON FUNCTION forget_audience_uploads() TO coupon_reconciler;
GRANT EXECUTE ON FUNCTION take_audience_part(bigint, uuid, bigint, bigint, bytea, bigint, bigint, bytea, bigint[], jsonb, jsonb) TO coupon_api;
GRANT EXECUTE ON FUNCTION set_audience(bigint, uuid, bigint[], bigint, text) TO coupon_api;
GRANT EXECUTE ON FUNCTION remove_audience(bigint, text) TO coupon_api;
GRANT SELECT ON coupon_audience, coupon_audience_chunk TO coupon_api, coupon_reconciler, coupon_ops;
GRANT SELECT ON audience_upload TO coupon_api;
