-- The monitor reads the counts that each coupon's row has, and the requests and actions of dead letters.
-- depends: 0009_ways_back

GRANT USAGE ON SCHEMA public TO coupon_monitor;
GRANT SELECT ON coupon, issue_request, dead_letter_action TO coupon_monitor;
