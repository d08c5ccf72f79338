-- The coupons that started last, for the requests of one user: without sorting all coupons.
-- depends: 0021_schemas_registered_again

CREATE INDEX coupon_by_start ON coupon (issue_starts_at DESC, coupon_id DESC) WHERE admin_state IS NULL;
