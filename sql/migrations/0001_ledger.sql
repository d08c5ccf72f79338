-- The ledger: coupons, issue requests, issued coupons and rejections.
-- depends:

CREATE SEQUENCE coupon_id_seq;

CREATE TABLE coupon (
  coupon_id       bigint PRIMARY KEY DEFAULT nextval('coupon_id_seq'),
  name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  total_quantity  bigint NOT NULL CHECK (total_quantity BETWEEN 1 AND 1000000000),
  issued_count    bigint NOT NULL DEFAULT 0,
  rejected_count  bigint NOT NULL DEFAULT 0,
  issue_starts_at timestamptz NOT NULL DEFAULT now(),
  issue_ends_at   timestamptz,
  state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paused', 'closed')),
  eligible_group  text CHECK (eligible_group ~ '^[A-Za-z0-9_-]{1,64}$'),
  version         bigint NOT NULL DEFAULT 1,
  gate_epoch      bigint NOT NULL DEFAULT 1,
  created_at      timestamptz NOT NULL DEFAULT now(),
  -- A request's id holds 59 bits of the coupon's id.
  CONSTRAINT coupon_id_fits_request_id CHECK (coupon_id BETWEEN 1 AND 576460752303423487),
  CONSTRAINT coupon_never_oversold CHECK (issued_count BETWEEN 0 AND total_quantity),
  CONSTRAINT coupon_window_is_forward CHECK (issue_ends_at > issue_starts_at)
) WITH (fillfactor = 50);
COMMENT ON COLUMN coupon.version IS 'Counts changes of the definition, so that the gate never takes an older one for a newer.';
COMMENT ON COLUMN coupon.gate_epoch IS 'Counts rebuilds of the gate. A request admitted under an older epoch is not accepted.';

-- No foreign key to coupon: accept_requests joins the coupon in the same statement, which checks the same
-- for much less than a trigger on each row. Coupons and requests are never deleted.
CREATE TABLE coupon_issue_request (
  coupon_id    bigint NOT NULL,
  user_id      bigint NOT NULL CHECK (user_id > 0),
  requested_at timestamptz NOT NULL,
  PRIMARY KEY (coupon_id, user_id)
);

CREATE TABLE issued_coupon (
  user_id      bigint NOT NULL,
  coupon_id    bigint NOT NULL,
  requested_at timestamptz NOT NULL,
  issued_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT issued_once_per_user PRIMARY KEY (user_id, coupon_id)
);

CREATE TABLE issue_rejection (
  coupon_id    bigint NOT NULL,
  user_id      bigint NOT NULL,
  requested_at timestamptz NOT NULL,
  reason       text NOT NULL,
  rejected_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (coupon_id, user_id)
);

-- The UUIDv8 (RFC 9562) that coupons/ids.py derives from a coupon and a user; the same bits, for SQL.
CREATE FUNCTION request_id(coupon_id bigint, user_id bigint) RETURNS uuid
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN encode(
    int8send((((coupon_id << 1) | (user_id >> 62)) >> 12 << 16) | 32768
             | (((coupon_id << 1) | (user_id >> 62)) & 4095))
    || int8send((-9223372036854775808)::bigint | (user_id & 4611686018427387903)),
    'hex')::uuid;

-- An issued coupon has the id of its request.
CREATE VIEW issue_request AS
  SELECT request_id(r.coupon_id, r.user_id) AS request_id,
         r.coupon_id, r.user_id, r.requested_at,
         CASE WHEN i.user_id IS NOT NULL THEN 'ISSUED'
              WHEN j.user_id IS NOT NULL THEN 'REJECTED'
              ELSE 'REQUESTED' END AS status,
         j.reason, i.issued_at, j.rejected_at
    FROM coupon_issue_request r
    LEFT JOIN issued_coupon i ON i.user_id = r.user_id AND i.coupon_id = r.coupon_id
    LEFT JOIN issue_rejection j ON j.coupon_id = r.coupon_id AND j.user_id = r.user_id;
