-- The monitor knows, too, which requests of Kafka were erased: they are not lost, and their dead letters need nobody.
-- depends: 0024_erasures

GRANT SELECT ON erased_request TO coupon_monitor;
GRANT SELECT (erasure_id, erased_at, log_forgets_at) ON erasure TO coupon_monitor;
