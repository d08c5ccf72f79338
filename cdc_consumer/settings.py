"""Settings of the consumer process."""

from pydantic import Field

from cdc_consumer.limits import DeadLetterLimit
from coupons.settings import ProcessSettings


class ConsumerSettings(ProcessSettings):
    """Of one consumer; several with the same group share the partitions."""

    kafka_bootstrap_servers: str = Field(
        min_length=1,
        description="Kafka brokers to ask first, as host:port,host:port",
    )
    schema_registry_url: str = Field(
        pattern="^https?://",
        description="Schema registry, the root of its Confluent-compatible API"
        " (http://host:port/apis/ccompat/v7)",
    )
    consumer_host: str = Field(
        default="127.0.0.1",
        description="Address that the consumer answers /healthz and /metrics on",
    )
    consumer_port: int = Field(
        ge=1,
        le=65535,
        description="TCP port that the consumer answers /healthz and /metrics on",
    )
    consumer_group: str = Field(
        default="coupon-cdc-consumer",
        min_length=1,
        description="Kafka consumer group that shares the partitions",
    )
    consumer_batch_size: int = Field(
        default=500,
        ge=1,
        le=10_000,
        description="Most change events handled in one transaction, in events",
    )
    consumer_dead_letters_in_a_row: int = Field(
        default=50,
        ge=1,
        description="Most dead letters in a row of one partition, in events; beyond it the consumer"
        " stops until the cause is mended",
    )
    consumer_dead_letter_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Largest share of dead letters among the recent events of one partition, 0 to"
        " 1; beyond it the consumer stops until the cause is mended",
    )
    consumer_recent_events: int = Field(
        default=1_000,
        ge=10,
        le=10_000,
        description="Change events of one partition that count as recent for"
        " COUPON_CONSUMER_DEAD_LETTER_SHARE, in events",
    )

    @property
    def dead_letter_limit(self) -> DeadLetterLimit:
        """Beyond it dead letters are an outage."""
        return DeadLetterLimit(
            self.consumer_dead_letters_in_a_row,
            self.consumer_dead_letter_share,
            self.consumer_recent_events,
        )
