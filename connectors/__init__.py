"""The connector that streams the ledger's inserts to Kafka.

connect.py is the client of Kafka Connect. register.py creates the connector, lifecycle.py stops and
restarts it, connector_state.py and offsets.py read it. slot.py and publication.py are the Postgres
side. stream_gap.py tells whether rows may be missing, recovery.py and stream_repair.py bring the
stream back. stream_state.py tells how far the stream is.


coupon-cdc.json is complete by itself and may be posted to Kafka Connect as it is:
  curl -H 'Content-Type: application/json' -d @coupon-cdc.json $COUPON_CONNECT_URL/connectors
The addresses of the database and the registry, and the password, come from the environment of
Kafka Connect (COUPON_CDC_*, through its EnvVarConfigProvider named `env`).
"""
