-- Codes of coupons: an issued coupon gets a code when it is first asked for, once, and keeps it.
-- depends: 0015_life_of_issued_coupons

-- The foreign keys need these locks. Issuing takes its own in this order: in the other one, a migration and a batch
-- wait for each other until one of them fails.
LOCK TABLE issued_coupon, coupon IN SHARE ROW EXCLUSIVE MODE;

-- How a coupon's codes come about; no row: it has none. A row of its own, so that no statement on `coupon` changes.
CREATE TABLE coupon_codes (
  coupon_id bigint PRIMARY KEY REFERENCES coupon,
  kind      text NOT NULL CHECK (kind IN ('none', 'made', 'pool')),
  pool_size bigint NOT NULL DEFAULT 0 CHECK (pool_size >= 0),
  CONSTRAINT only_a_pool_has_a_size CHECK (pool_size = 0 OR kind = 'pool'),
  CONSTRAINT codes_have_one_kind UNIQUE (coupon_id, kind)
);
COMMENT ON COLUMN coupon_codes.pool_size IS 'How many codes were uploaded, given ones too. Codes are never removed.';

-- A code as it is compared, however it is typed; coupons/codes.py computes the same.
CREATE FUNCTION code_key(code text) RETURNS text
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN translate(upper(code COLLATE "C"), 'OIL -', '011');

-- Every code: given to an issued coupon, or free in the pool of its coupon. The first foreign key keeps the kind of a
-- coupon that has codes. Issuing never touches this table.
CREATE TABLE coupon_code (
  code_key  text COLLATE "C" GENERATED ALWAYS AS (code_key(code)) STORED PRIMARY KEY,
  code      text COLLATE "C" NOT NULL,
  coupon_id bigint NOT NULL,
  kind      text NOT NULL,
  user_id   bigint,
  given_at  timestamptz,
  added_at  timestamptz NOT NULL DEFAULT now(),
  -- Where a search for a free code begins is drawn at random. From one end, each search would pass every code that was
  -- given since the oldest transaction began: a backup during a sale would make it slower and slower.
  shuffle   integer NOT NULL DEFAULT floor(random() * 2147483647)::integer,
  CONSTRAINT code_is_of_its_kind FOREIGN KEY (coupon_id, kind) REFERENCES coupon_codes (coupon_id, kind),
  CONSTRAINT code_of_an_issued_coupon FOREIGN KEY (user_id, coupon_id) REFERENCES issued_coupon (user_id, coupon_id),
  CONSTRAINT code_can_be_typed CHECK (
    length(code) <= 64 AND code !~ '[^A-Za-z0-9 ._-]' AND code_key ~ '[0-9A-Z]'),
  -- So that a mistyped code that was made is known by its check character, without reading anything.
  CONSTRAINT only_made_codes_have_their_form CHECK (
    (kind = 'made') = (length(code_key) = 15 AND code_key !~ '[^0-9A-HJKMNP-TV-Z]')),
  CONSTRAINT made_codes_are_given CHECK (kind = 'pool' OR user_id IS NOT NULL),
  CONSTRAINT code_is_given_at_a_time CHECK ((user_id IS NULL) = (given_at IS NULL))
);
CREATE UNIQUE INDEX one_code_each_issued_coupon ON coupon_code (coupon_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX coupon_code_free ON coupon_code (coupon_id, shuffle) WHERE user_id IS NULL;

-- Chooses how a coupon's codes come about.
-- out: done, not_found, exist (codes: the kind stays), busy (codes are being uploaded or given)
CREATE FUNCTION choose_codes(of_coupon bigint, wanted text, by_whom text) RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  before text;
BEGIN
  IF NOT EXISTS (SELECT FROM coupon WHERE coupon_id = of_coupon) THEN
    RETURN 'not_found';
  END IF;
  -- Not if it is there: the insert would wait for a running upload.
  IF NOT EXISTS (SELECT FROM coupon_codes WHERE coupon_id = of_coupon) THEN
    INSERT INTO coupon_codes (coupon_id, kind) VALUES (of_coupon, 'none') ON CONFLICT (coupon_id) DO NOTHING;
  END IF;
  -- First without the lock, which whoever is given a code holds too: the same kind again, and one that can no longer be
  -- chosen, are answered at any time.
  FOR with_lock IN 0 .. 1 LOOP
    IF with_lock = 1 THEN
      PERFORM FROM coupon_codes WHERE coupon_id = of_coupon FOR UPDATE SKIP LOCKED;
      IF NOT FOUND THEN
        RETURN 'busy';
      END IF;
    END IF;
    SELECT kind INTO before FROM coupon_codes WHERE coupon_id = of_coupon;
    IF before = wanted THEN
      RETURN 'done';
    END IF;
    IF EXISTS (SELECT FROM coupon_code WHERE coupon_id = of_coupon AND user_id IS NULL)
       OR EXISTS (SELECT FROM coupon_code WHERE coupon_id = of_coupon AND user_id IS NOT NULL) THEN
      RETURN 'exist';
    END IF;
  END LOOP;
  UPDATE coupon_codes SET kind = wanted WHERE coupon_id = of_coupon;
  INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
  VALUES (by_whom, 'choose codes', of_coupon, 'done', format('%s -> %s', before, wanted));
  RETURN 'done';
END $$;

-- First statement of an upload, which is one transaction: nobody else uploads until it ends, not to another coupon
-- either. Codes are unique over all coupons, so that two uploads with the same codes would wait for each other.
-- out: begun, not_found, other_kind (its codes do not come from a pool), busy
CREATE FUNCTION begin_pool_upload(of_coupon bigint) RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
BEGIN
  PERFORM FROM coupon_codes WHERE coupon_id = of_coupon AND kind = 'pool' FOR NO KEY UPDATE SKIP LOCKED;
  RETURN CASE
    WHEN FOUND AND pg_try_advisory_xact_lock(hashtext('upload of codes')) THEN 'begun'
    WHEN EXISTS (SELECT FROM coupon_codes WHERE coupon_id = of_coupon AND kind = 'pool') THEN 'busy'
    WHEN EXISTS (SELECT FROM coupon WHERE coupon_id = of_coupon) THEN 'other_kind'
    ELSE 'not_found' END;
END $$;

-- Adds codes to the pool of a coupon, within an upload.
-- out: code_key of those that were added; the others are there already
CREATE FUNCTION add_pool_codes(of_coupon bigint, codes text[]) RETURNS SETOF text
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  INSERT INTO coupon_code (code, coupon_id, kind)
  SELECT u.code, of_coupon, 'pool' FROM unnest(codes) AS u (code)
  ON CONFLICT (code_key) DO NOTHING
  RETURNING code_key
$$;

-- Last statement of an upload: counts the codes, and notes it in the audit trail. The row of the pool is changed once
-- only: each foreign key's check passes all its versions.
CREATE FUNCTION end_pool_upload(of_coupon bigint, added bigint, by_whom text) RETURNS void
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  UPDATE coupon_codes SET pool_size = pool_size + added WHERE coupon_id = of_coupon;
  INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)
  VALUES (by_whom, 'upload codes', of_coupon, 'done', format('%s codes', added))
$$;

-- Gives an issued coupon its code, or repeats it.
-- in:  the issued coupon; offered: a new code, for coupons whose codes are made
-- out: outcome (done, repeated, not_found, none: the coupon has no codes, exhausted: no code of its pool is left,
--      expired, revoked, taken: offer another one) and given, the code
CREATE FUNCTION give_code(of_user bigint, of_coupon bigint, offered text, OUT outcome text, OUT given text)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  codes_kind text;
  found_key  text;
  begins_at  integer := floor(random() * 2147483647)::integer;
BEGIN
  -- One call at a time for an issued coupon, and none while it is revoked; the next statement sees what was committed.
  PERFORM FROM issued_coupon WHERE user_id = of_user AND coupon_id = of_coupon FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    outcome := 'not_found';
    RETURN;
  END IF;
  SELECT k.code INTO given FROM coupon_code k WHERE k.coupon_id = of_coupon AND k.user_id = of_user;
  IF FOUND THEN
    outcome := 'repeated';
    RETURN;
  END IF;
  -- By the clock, because this may have waited for the lock: the view has the time at which the transaction began.
  SELECT CASE WHEN o.state = 'active' AND o.expires_at <= clock_timestamp() THEN 'expired' ELSE o.state END
    INTO outcome
    FROM owned_coupon o WHERE o.user_id = of_user AND o.coupon_id = of_coupon;
  IF outcome IN ('expired', 'revoked') THEN
    RETURN;
  END IF;
  SELECT s.kind INTO codes_kind FROM coupon_codes s WHERE s.coupon_id = of_coupon FOR KEY SHARE;
  outcome := 'done';
  IF codes_kind = 'made' THEN
    INSERT INTO coupon_code (code, coupon_id, kind, user_id, given_at)
    VALUES (offered, of_coupon, 'made', of_user, clock_timestamp())
    ON CONFLICT (code_key) DO NOTHING
    RETURNING code INTO given;
    IF NOT FOUND THEN
      outcome := 'taken';
    END IF;
    RETURN;
  ELSIF codes_kind IS DISTINCT FROM 'pool' THEN
    outcome := 'none';
    RETURN;
  END IF;

  SELECT k.code_key INTO found_key FROM coupon_code k
   WHERE k.coupon_id = of_coupon AND k.user_id IS NULL AND k.shuffle >= begins_at
   ORDER BY k.shuffle LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    SELECT k.code_key INTO found_key FROM coupon_code k
     WHERE k.coupon_id = of_coupon AND k.user_id IS NULL
     ORDER BY k.shuffle LIMIT 1 FOR UPDATE SKIP LOCKED;
  END IF;
  IF NOT FOUND THEN
    -- The rest is locked. Who holds one may still roll back: the pool is exhausted only when all have committed, so
    -- this waits for them, one after the other. Nobody who waits here holds a code.
    SELECT k.code_key INTO found_key FROM coupon_code k
     WHERE k.coupon_id = of_coupon AND k.user_id IS NULL
     ORDER BY k.shuffle LIMIT 1 FOR UPDATE;
  END IF;
  IF NOT FOUND THEN
    outcome := 'exhausted';
    RETURN;
  END IF;
  UPDATE coupon_code k SET user_id = of_user, given_at = clock_timestamp() WHERE k.code_key = found_key
  RETURNING k.code INTO given;
END $$;

REVOKE ALL ON FUNCTION choose_codes(bigint, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION begin_pool_upload(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION add_pool_codes(bigint, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION end_pool_upload(bigint, bigint, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION give_code(bigint, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION choose_codes(bigint, text, text) TO coupon_api;
GRANT EXECUTE ON FUNCTION begin_pool_upload(bigint) TO coupon_api;
GRANT EXECUTE ON FUNCTION add_pool_codes(bigint, text[]) TO coupon_api;
GRANT EXECUTE ON FUNCTION end_pool_upload(bigint, bigint, text) TO coupon_api;
GRANT EXECUTE ON FUNCTION give_code(bigint, bigint, text) TO coupon_api;
GRANT SELECT ON coupon_codes, coupon_code TO coupon_api;
GRANT SELECT ON coupon_codes TO coupon_ops, coupon_monitor;
-- Not the codes themselves: whoever has one can use a coupon.
GRANT SELECT (coupon_id, kind, user_id, given_at, added_at) ON coupon_code TO coupon_ops;
