-- A coupon's window is readable for every client, and an optional column can be removed again.
-- depends: 0006_numbers_that_never_repeat

-- Postgres has times that Python's datetime cannot hold: infinity, and years outside of 1 to 9999 (a time zone can
-- move the first and last day of those outside, too). One such row would break every reader of all coupons. The
-- bounds are those of coupons/model.py.
ALTER TABLE coupon
  ADD CONSTRAINT coupon_start_is_readable
    CHECK (issue_starts_at >= timestamptz '2000-01-01 00:00:00Z' AND issue_starts_at < timestamptz '9999-12-31 00:00:00Z')
    NOT VALID,
  ADD CONSTRAINT coupon_end_is_readable
    CHECK (issue_ends_at >= timestamptz '2000-01-01 00:00:00Z' AND issue_ends_at < timestamptz '9999-12-31 00:00:00Z')
    NOT VALID;

-- Existing rows are moved to the nearest bound. An end stays after its start. The version grows, so that the gate
-- takes the new window.
UPDATE coupon
   SET issue_starts_at = least(greatest(issue_starts_at, timestamptz '2000-01-01 00:00:00Z'),
                               timestamptz '9999-12-30 23:59:59.999998Z'),
       -- least and greatest ignore null, which means no end.
       issue_ends_at = CASE WHEN issue_ends_at IS NOT NULL
                            THEN least(greatest(issue_ends_at, timestamptz '2000-01-01 00:00:00.000001Z'),
                                       timestamptz '9999-12-30 23:59:59.999999Z') END,
       version = coupon_next_number(version)
 WHERE issue_starts_at < timestamptz '2000-01-01 00:00:00Z' OR issue_starts_at >= timestamptz '9999-12-31 00:00:00Z'
    OR issue_ends_at < timestamptz '2000-01-01 00:00:00Z' OR issue_ends_at >= timestamptz '9999-12-31 00:00:00Z';

ALTER TABLE coupon VALIDATE CONSTRAINT coupon_start_is_readable;
ALTER TABLE coupon VALIDATE CONSTRAINT coupon_end_is_readable;

GRANT UPDATE (eligible_group) ON coupon TO coupon_api;
