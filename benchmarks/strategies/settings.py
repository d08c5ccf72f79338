"""Settings of the processes of the other designs."""

from pydantic import Field

from coupons.process.settings import ProcessSettings


class StrategySettings(ProcessSettings):
    """The addresses of Kafka and the registry."""

    kafka_bootstrap_servers: str = Field(description="Kafka brokers, as host:port,host:port")
    schema_registry_url: str = Field(description="Root of the Confluent-compatible API")
