-- Whether a coupon was archived since the last pass, at the cost of one look: archiving gives it a new epoch.
-- depends: 0032_changes_of_many_at_once

CREATE INDEX coupon_archived ON coupon (gate_epoch) WHERE admin_state = 'archived';
