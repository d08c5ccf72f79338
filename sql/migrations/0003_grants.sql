-- Least privilege: each role may do only what it needs. No role may delete.
-- depends: 0002_change_stream

GRANT USAGE ON SCHEMA public TO coupon_api, coupon_consumer, coupon_reconciler, coupon_cdc, coupon_ops;

GRANT SELECT ON coupon, coupon_issue_request, issued_coupon, issue_rejection, issue_request
  TO coupon_api, coupon_consumer, coupon_reconciler, coupon_ops;
GRANT SELECT ON cdc_heartbeat TO coupon_cdc, coupon_ops;
GRANT SELECT ON coupon_issue_request TO coupon_cdc;
GRANT EXECUTE ON FUNCTION cdc_beat() TO coupon_cdc;

GRANT INSERT ON coupon, coupon_issue_request TO coupon_api;
GRANT USAGE ON SEQUENCE coupon_id_seq TO coupon_api;
GRANT UPDATE (name, total_quantity, issue_starts_at, issue_ends_at, state, version) ON coupon TO coupon_api;

GRANT INSERT ON issued_coupon, issue_rejection TO coupon_consumer;
GRANT UPDATE (issued_count, rejected_count) ON coupon TO coupon_consumer;

GRANT INSERT ON coupon_issue_request TO coupon_reconciler;
GRANT UPDATE (gate_epoch) ON coupon TO coupon_reconciler;
