-- What becomes of an issued coupon: used, used no more, expired, revoked. Each change is a row; rows are only added.
-- depends: 0014_terms

-- The changes of one issued coupon are numbered from 1 and form a chain: each begins in the state in which the one
-- before ended. The second foreign key holds that, so that two changes at once can never both succeed.
CREATE TABLE issued_coupon_change (
  user_id         bigint NOT NULL,
  coupon_id       bigint NOT NULL,
  change_number   integer NOT NULL CHECK (change_number >= 1),
  previous_number integer GENERATED ALWAYS AS (nullif(change_number - 1, 0)) STORED,
  from_state      text NOT NULL,
  to_state        text NOT NULL,
  changed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  changed_by      text NOT NULL CHECK (length(changed_by) BETWEEN 1 AND 200),
  order_reference text CHECK (length(order_reference) BETWEEN 1 AND 100),
  reason          text CHECK (length(reason) BETWEEN 1 AND 500),
  PRIMARY KEY (user_id, coupon_id, change_number),
  CONSTRAINT change_ends_in_one_state UNIQUE (user_id, coupon_id, change_number, to_state),
  CONSTRAINT change_of_an_issued_coupon FOREIGN KEY (user_id, coupon_id) REFERENCES issued_coupon (user_id, coupon_id),
  CONSTRAINT change_begins_where_the_last_ended
    FOREIGN KEY (user_id, coupon_id, previous_number, from_state)
    REFERENCES issued_coupon_change (user_id, coupon_id, change_number, to_state),
  CONSTRAINT change_is_allowed CHECK (
    (from_state, to_state) IN (('active', 'used'), ('used', 'active'), ('used', 'expired'), ('active', 'expired'), ('active', 'revoked'))),
  CONSTRAINT first_change_is_of_an_active_coupon CHECK (change_number > 1 OR from_state = 'active'),
  CONSTRAINT use_names_its_order CHECK ((order_reference IS NOT NULL) = (from_state = 'used' OR to_state = 'used')),
  CONSTRAINT revocation_has_a_reason CHECK ((reason IS NOT NULL) = (to_state = 'revoked'))
);
-- An order uses a coupon once: after it was cancelled, a late repetition of its first call uses nothing.
CREATE UNIQUE INDEX one_use_each_order ON issued_coupon_change (user_id, coupon_id, order_reference)
 WHERE to_state = 'used';
COMMENT ON COLUMN issued_coupon_change.changed_by IS 'Who asked for it, as the audit trail names them.';

-- Issued coupons as they are now. An active one whose time is over is expired, whether or not that is a row already.
CREATE VIEW owned_coupon AS
  SELECT i.user_id, i.coupon_id, c.name AS coupon_name, i.requested_at, i.issued_at, e.expires_at,
         CASE WHEN coalesce(n.to_state, 'active') = 'active' AND e.expires_at <= now() THEN 'expired'
              ELSE coalesce(n.to_state, 'active') END AS state,
         coalesce(n.change_number, 0) AS change_number,
         n.changed_at,
         CASE WHEN n.to_state = 'used' THEN n.order_reference END AS order_reference,
         n.reason, c.discount, c.metadata
    FROM issued_coupon i
    JOIN coupon c USING (coupon_id)
   CROSS JOIN LATERAL (SELECT coupon_expires_at(i.issued_at, c.valid_for_days, c.valid_until) AS expires_at) AS e
    LEFT JOIN LATERAL (
      SELECT h.change_number, h.to_state, h.changed_at, h.order_reference, h.reason
        FROM issued_coupon_change h
       WHERE h.user_id = i.user_id AND h.coupon_id = i.coupon_id
       ORDER BY h.change_number DESC
       LIMIT 1) AS n ON true;

-- Changes one issued coupon, or says why not. Repeating a change that was done is harmless: it is 'repeated'.
-- in:  the issued coupon; wanted: use, cancel_use or revoke; reference: of the order, for use and cancel_use;
--      why: for revoke; by_whom
-- out: done, repeated, not_found, active (it is not used, so that no use can be cancelled), used, other_order,
--      order_cancelled (the order used it before and cancelled that), expired, revoked
CREATE FUNCTION change_issued_coupon(
  of_user bigint, of_coupon bigint, wanted text, reference text, why text, by_whom text
) RETURNS text
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
  AS $$
DECLARE
  expires timestamptz;
  last    issued_coupon_change;
  now_in  text;
  goes_to text;
  at      timestamptz;
  begins  text := CASE wanted WHEN 'cancel_use' THEN 'used' ELSE 'active' END;
  is_over boolean;  -- whether this order has used the coupon and cancelled that
BEGIN
  -- One change at a time; the next statement sees what the one before committed.
  PERFORM FROM issued_coupon WHERE user_id = of_user AND coupon_id = of_coupon FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN 'not_found';
  END IF;
  SELECT coupon_expires_at(i.issued_at, c.valid_for_days, c.valid_until) INTO STRICT expires
    FROM issued_coupon i JOIN coupon c USING (coupon_id)
   WHERE i.user_id = of_user AND i.coupon_id = of_coupon;
  SELECT * INTO last FROM issued_coupon_change
   WHERE user_id = of_user AND coupon_id = of_coupon ORDER BY change_number DESC LIMIT 1;
  at := clock_timestamp();
  now_in := coalesce(last.to_state, 'active');
  -- It used it, and that is not the use of now. By the index one_use_each_order, however many changes there are.
  is_over := (now_in <> 'used' OR last.order_reference <> reference)
             AND EXISTS (SELECT FROM issued_coupon_change
                          WHERE user_id = of_user AND coupon_id = of_coupon
                            AND to_state = 'used' AND order_reference = reference);

  CASE wanted
    WHEN 'use' THEN
      IF now_in = 'used' THEN
        RETURN CASE WHEN last.order_reference = reference THEN 'repeated' ELSE 'used' END;
      END IF;
      IF is_over AND now_in = 'active' AND coalesce(expires > at, true) THEN
        RETURN 'order_cancelled';
      END IF;
      goes_to := 'used';
    WHEN 'cancel_use' THEN
      IF is_over THEN
        RETURN 'repeated';
      END IF;
      IF now_in = 'used' AND last.order_reference <> reference THEN
        RETURN 'other_order';
      END IF;
      goes_to := CASE WHEN expires <= at THEN 'expired' ELSE 'active' END;
    WHEN 'revoke' THEN
      IF now_in = 'revoked' THEN
        RETURN 'repeated';
      END IF;
      goes_to := 'revoked';
  END CASE;
  IF now_in = 'active' AND expires <= at THEN
    RETURN 'expired';
  END IF;
  IF now_in <> begins THEN
    RETURN now_in;
  END IF;

  INSERT INTO issued_coupon_change (user_id, coupon_id, change_number, from_state, to_state, changed_at, changed_by,
                                    order_reference, reason)
  VALUES (of_user, of_coupon, coalesce(last.change_number, 0) + 1, now_in, goes_to, at, by_whom, reference, why);
  RETURN 'done';
END $$;
REVOKE ALL ON FUNCTION change_issued_coupon(bigint, bigint, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION change_issued_coupon(bigint, bigint, text, text, text, text) TO coupon_api;

GRANT SELECT ON issued_coupon_change, owned_coupon TO coupon_api, coupon_reconciler, coupon_ops;
GRANT SELECT ON owned_coupon, issued_coupon_change TO coupon_monitor;
