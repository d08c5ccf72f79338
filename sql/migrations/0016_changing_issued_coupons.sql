-- Changing an issued coupon and reading it back is one call; and the sweep that writes what has expired as changes.
-- depends: 0015_life_of_issued_coupons

-- Changes an issued coupon as change_issued_coupon does, and shows it as it is then: nobody changes it in between,
-- because its lock is held until the transaction ends.
-- out: outcome, coupon; no row when there is no such coupon
CREATE FUNCTION change_and_show_issued_coupon(
  of_user bigint, of_coupon bigint, wanted text, reference text, why text, by_whom text
) RETURNS TABLE (outcome text, coupon owned_coupon)
  LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp
  AS $$
DECLARE
  said text := change_issued_coupon(of_user, of_coupon, wanted, reference, why, by_whom);
BEGIN
  IF said <> 'not_found' THEN  -- issued in between, it would be shown, and nothing was done
    RETURN QUERY SELECT said, o FROM owned_coupon o WHERE o.user_id = of_user AND o.coupon_id = of_coupon;
  END IF;
END $$;
REVOKE ALL ON FUNCTION change_and_show_issued_coupon(bigint, bigint, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION change_and_show_issued_coupon(bigint, bigint, text, text, text, text) TO coupon_api;

-- Locks those of these issued coupons that nobody else has locked, until the transaction ends. Nobody is waited for: many
-- are changed in one transaction, and one of them would hold up all others.
-- out: the keys of those that are locked now
CREATE FUNCTION hold_issued_coupons(of_users bigint[], of_coupons bigint[]) RETURNS TABLE (user_id bigint, coupon_id bigint)
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
  SELECT i.user_id, i.coupon_id
    FROM issued_coupon i
   WHERE (i.user_id, i.coupon_id) IN (SELECT * FROM unnest(of_users, of_coupons))
   ORDER BY i.user_id, i.coupon_id
     FOR NO KEY UPDATE SKIP LOCKED
$$;
REVOKE ALL ON FUNCTION hold_issued_coupons(bigint[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_issued_coupons(bigint[], bigint[]) TO coupon_api;

-- Issuing changes neither its column nor its condition, so that it costs issuing nothing (the updates stay HOT).
CREATE INDEX coupon_with_terms ON coupon (coupon_id) WHERE valid_for_days IS NOT NULL OR valid_until IS NOT NULL;

-- How far the sweep came in a coupon's requests, and when there is something to do again.
CREATE TABLE coupon_expiry_walk (
  coupon_id     bigint PRIMARY KEY REFERENCES coupon,
  began_at      timestamptz,
  after_user_id bigint NOT NULL DEFAULT 0,
  read_rows     bigint NOT NULL DEFAULT 0,
  issued_before bigint NOT NULL DEFAULT 0,
  seen_due_at   timestamptz NOT NULL DEFAULT 'infinity',
  unseen_due_at timestamptz NOT NULL DEFAULT 'infinity'
);
COMMENT ON COLUMN coupon_expiry_walk.began_at IS 'When the walk that is under way began; null: none is.';
COMMENT ON COLUMN coupon_expiry_walk.after_user_id IS 'The walk has handled the requests up to this user.';
COMMENT ON COLUMN coupon_expiry_walk.issued_before IS 'issued_count of the coupon when the last walk began.';
COMMENT ON COLUMN coupon_expiry_walk.seen_due_at IS 'When the next of the issued coupons that the walk saw expires.';
COMMENT ON COLUMN coupon_expiry_walk.unseen_due_at IS 'None that was issued after the walk began expires before.';

-- Coupons in which something may have expired that is not a change yet, or whose walk is under way. Only coupons with
-- terms are read. What is issued later expires later, so that nothing is read before the first can have expired.
CREATE VIEW coupon_with_expiry_due AS
  SELECT c.coupon_id
    FROM coupon c
    LEFT JOIN coupon_expiry_walk w USING (coupon_id)
   WHERE (c.valid_for_days IS NOT NULL OR c.valid_until IS NOT NULL)
     AND (w.began_at IS NOT NULL
          OR w.seen_due_at <= now()
          OR c.issued_count > coalesce(w.issued_before, 0)
             AND coalesce(w.unseen_due_at, coupon_expires_at(c.created_at, c.valid_for_days, c.valid_until)) <= now());

-- Reads the next page of a coupon's requests in the order of their key, and writes the change active -> expired of
-- each issued coupon whose time is over. A page is one transaction, the next one continues behind it. Two sessions at
-- once share the walk.
-- in:  the coupon; page_size, in requests
-- out: read_rows; expired_rows; is_done: the walk has ended, or there is nothing to do now
CREATE FUNCTION expire_issued_coupons(
  of_coupon bigint, page_size integer, OUT read_rows integer, OUT expired_rows integer, OUT is_done boolean
)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  at    timestamptz := clock_timestamp();
  -- A walk that finds nothing costs up to 30 us a request: with this pause, 3% of one processor at most.
  pause interval;
  walk  coupon_expiry_walk;
  users bigint[];
  due   bigint[];
  ahead timestamptz;
BEGIN
  read_rows := 0; expired_rows := 0; is_done := true;
  IF NOT EXISTS (SELECT FROM coupon_with_expiry_due WHERE coupon_id = of_coupon) THEN
    RETURN;
  END IF;
  INSERT INTO coupon_expiry_walk (coupon_id) VALUES (of_coupon) ON CONFLICT DO NOTHING;
  SELECT * INTO walk FROM coupon_expiry_walk WHERE coupon_id = of_coupon FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF walk.began_at IS NULL THEN
    walk.began_at := at;
    walk.seen_due_at := 'infinity';
    walk.after_user_id := 0;
    walk.read_rows := 0;
    walk.issued_before := (SELECT issued_count FROM coupon WHERE coupon_id = of_coupon);
  END IF;

  users := ARRAY(SELECT user_id FROM coupon_issue_request
                  WHERE coupon_id = of_coupon AND user_id > walk.after_user_id ORDER BY user_id LIMIT page_size);
  read_rows := cardinality(users);
  is_done := read_rows < page_size;
  WITH issued AS (
    SELECT i.user_id, coupon_expires_at(i.issued_at, c.valid_for_days, c.valid_until) AS expires_at,
           coalesce((SELECT h.to_state FROM issued_coupon_change h
                      WHERE h.user_id = i.user_id AND h.coupon_id = i.coupon_id
                      ORDER BY h.change_number DESC LIMIT 1), 'active') AS last_state
      FROM unnest(users) AS u (user_id)
      JOIN issued_coupon i ON i.user_id = u.user_id AND i.coupon_id = of_coupon
      JOIN coupon c ON c.coupon_id = of_coupon
  )
  -- A used one may become active again. When its use is cancelled after its time, that is the change to expired.
  SELECT array_agg(user_id ORDER BY user_id) FILTER (WHERE expires_at <= at AND last_state = 'active'),
         min(expires_at) FILTER (WHERE expires_at > at AND last_state IN ('active', 'used'))
    INTO due, ahead
    FROM issued;

  IF due IS NOT NULL THEN
    -- The next statement sees what was committed before the locks were taken.
    PERFORM FROM issued_coupon WHERE coupon_id = of_coupon AND user_id = ANY (due) ORDER BY user_id FOR NO KEY UPDATE;
    INSERT INTO issued_coupon_change (user_id, coupon_id, change_number, from_state, to_state, changed_at, changed_by)
    SELECT i.user_id, i.coupon_id, coalesce(n.change_number, 0) + 1, 'active', 'expired', at, 'expiry'
      FROM issued_coupon i
      JOIN coupon c USING (coupon_id)
      LEFT JOIN LATERAL (
        SELECT h.change_number, h.to_state FROM issued_coupon_change h
         WHERE h.user_id = i.user_id AND h.coupon_id = i.coupon_id
         ORDER BY h.change_number DESC LIMIT 1) AS n ON true
     WHERE i.coupon_id = of_coupon AND i.user_id = ANY (due) AND coalesce(n.to_state, 'active') = 'active'
       AND coupon_expires_at(i.issued_at, c.valid_for_days, c.valid_until) <= at
     ORDER BY i.user_id;
    GET DIAGNOSTICS expired_rows = ROW_COUNT;
    IF expired_rows < cardinality(due) THEN
      ahead := at;  -- changed, or valid for longer, meanwhile: another walk reads them again
    END IF;
  END IF;

  walk.read_rows := walk.read_rows + read_rows;
  walk.seen_due_at := least(walk.seen_due_at, ahead);
  pause := walk.read_rows * interval '1 millisecond';
  UPDATE coupon_expiry_walk w
     SET began_at = CASE WHEN is_done THEN NULL ELSE walk.began_at END,
         after_user_id = CASE WHEN is_done THEN 0 ELSE users[cardinality(users)] END,
         read_rows = walk.read_rows,
         issued_before = walk.issued_before,
         seen_due_at = CASE WHEN is_done THEN greatest(walk.seen_due_at, at + pause) ELSE walk.seen_due_at END,
         unseen_due_at = CASE WHEN is_done THEN greatest(coupon_expires_at(walk.began_at, c.valid_for_days, c.valid_until), at + pause)
                              ELSE w.unseen_due_at END
    FROM coupon c
   WHERE w.coupon_id = of_coupon AND c.coupon_id = of_coupon;
END $$;
REVOKE ALL ON FUNCTION expire_issued_coupons(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expire_issued_coupons(bigint, integer) TO coupon_reconciler;
GRANT SELECT ON coupon_with_expiry_due TO coupon_reconciler, coupon_ops;
