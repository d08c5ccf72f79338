"""The connector that streams the ledger's inserts to Kafka: its file, registering it, its schemas.

coupon-cdc.json is complete by itself and may be posted to Kafka Connect as it is:
  curl -H 'Content-Type: application/json' -d @coupon-cdc.json $COUPON_CONNECT_URL/connectors
Where the database and the registry are, and the password, come from Connect's own environment
(COUPON_CDC_*, through its EnvVarConfigProvider named `env`).
"""
