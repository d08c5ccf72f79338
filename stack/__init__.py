"""The embedded stack: Postgres, Valkey, Kafka, a schema registry and Connect as plain processes."""
