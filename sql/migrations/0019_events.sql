-- Events for other services: what a second connector streams, once somebody turns it on (`coupon events start`).
-- depends: 0015_life_of_issued_coupons

-- The heartbeat's rows let its slot go on while no coupon is issued or changed.
CREATE PUBLICATION coupon_events
  FOR TABLE issued_coupon, issued_coupon_change, cdc_heartbeat WITH (publish = 'insert');
GRANT SELECT ON issued_coupon, issued_coupon_change TO coupon_cdc;
