"""Settings of the consumer process."""

from pydantic import Field

from cdc_consumer.limits import DlqLimit
from coupons.kafka.client import KafkaClient
from coupons.kafka.security import KafkaSecurity
from coupons.process.settings import ProcessSettings, WebUrl


class ConsumerSettings(KafkaSecurity, ProcessSettings):
    """The settings of one consumer; consumers with the same group share the partitions."""

    kafka_bootstrap_servers: str = Field(
        min_length=1,
        description="Kafka brokers to ask first, as host:port,host:port",
    )
    schema_registry_url: WebUrl = Field(
        description="Schema registry, the root of its Confluent-compatible API"
        " (http://host:port/apis/ccompat/v7); with TLS,"
        " `https://user:password@host:port/apis/ccompat/v7?ca_file=FILE`",
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
    consumer_instance_id: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9._-]{1,200}$",
        description="A name, unique in the group, that this consumer keeps over restarts. Killed"
        " and started again within COUPON_CONSUMER_SESSION_SECONDS, it goes on with its partitions"
        " at once. Unset: its partitions wait so long after a crash, and move to the others at once"
        " after a clean stop. Of two consumers with the same name, the older one ends",
    )
    consumer_session_seconds: int = Field(
        default=30,
        ge=6,
        le=300,
        description="Silence, in seconds, after which Kafka gives this consumer's partitions to"
        " others; it sends heartbeats ten times as often. The brokers bound it"
        " (group.min.session.timeout.ms, group.max.session.timeout.ms). A consumer that is outside"
        " of its group for twice as long, and for a minute at least, while Kafka answers a new"
        " client, restarts itself",
    )
    consumer_batch_size: int = Field(
        default=500,
        ge=1,
        le=10_000,
        description="Most change events handled in one transaction, in events",
    )
    consumer_dlq_max_consecutive: int = Field(
        default=50,
        ge=1,
        description="Most dead letters in a row of one partition, in events; beyond it the consumer"
        " stops until the cause is fixed",
    )
    consumer_dlq_max_ratio: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Largest ratio of dead letters to recent events of one partition, 0 to"
        " 1; beyond it the consumer stops until the cause is fixed",
    )
    consumer_dlq_window: int = Field(
        default=1_000,
        ge=10,
        le=10_000,
        description="Change events of one partition that count as recent for"
        " COUPON_CONSUMER_DLQ_MAX_RATIO, in events",
    )

    @property
    def dlq_limit(self) -> DlqLimit:
        """Above it dead letters are an outage."""
        return DlqLimit(
            self.consumer_dlq_max_consecutive,
            self.consumer_dlq_max_ratio,
            self.consumer_dlq_window,
        )

    @property
    def kafka(self) -> KafkaClient:
        """Where Kafka is, and how the link is secured."""
        return self.client(self.kafka_bootstrap_servers)
