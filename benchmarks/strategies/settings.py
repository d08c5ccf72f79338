"""Settings of the strategies' own processes."""

from pydantic import Field

from coupons.settings import ProcessSettings


class StrategySettings(ProcessSettings):
    """Where Kafka and the registry are."""

    kafka_bootstrap_servers: str = Field(description="Kafka brokers, as host:port,host:port")
    schema_registry_url: str = Field(description="Root of the Confluent-compatible API")
