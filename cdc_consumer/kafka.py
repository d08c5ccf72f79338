"""The consumer's Kafka settings and topics."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError

from coupons.change_events import (
    DEAD_LETTER_TOPIC,
    HEARTBEAT_PARTITIONS,
    HEARTBEAT_TOPIC,
    REQUEST_PARTITIONS,
    REQUEST_TOPIC,
    Topic,
)
from coupons.change_events.producing import LARGEST_DEAD_LETTER_BYTES
from coupons.kafka.client import raise_if_finished

log = logging.getLogger(__name__)


HEARTBEATS_IN_A_SESSION = 10
STATISTICS_SECONDS = 5


def consumer_settings(
    group: str,
    member: str | None,
    on_commit: Callable[..., None],
    session_seconds: int = 30,
    on_statistics: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """For KafkaClient.consumer.

    on_statistics: gets the client's statistics as JSON, every STATISTICS_SECONDS.
    member: the name of a static member of the group (KIP-345): the group waits for it instead of
    replacing it; None: a dynamic member.
    cooperative-sticky: when a consumer joins or leaves, only the partitions that move stop. The
    fetch limits bound the memory that a backlog takes, and how far one partition is read before the
    next: a few thousand requests, so that a backlog is handled in about the order of its commits.
    """
    return {
        "group.id": group,
        **({} if member is None else {"group.instance.id": member}),
        "partition.assignment.strategy": "cooperative-sticky",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "session.timeout.ms": session_seconds * 1_000,
        "heartbeat.interval.ms": session_seconds * 1_000 // HEARTBEATS_IN_A_SESSION,
        "max.poll.interval.ms": 300_000,
        "queued.min.messages": 2_000,
        "queued.max.messages.kbytes": 4_096,
        "fetch.max.bytes": 2 * 1024 * 1024,
        "fetch.message.max.bytes": 32 * 1024,
        "fetch.queue.backoff.ms": 20,
        "topic.metadata.refresh.interval.ms": 5_000,
        "reconnect.backoff.max.ms": 1_000,
        "on_commit": on_commit,
        "statistics.interval.ms": STATISTICS_SECONDS * 1_000,
        "stats_cb": on_statistics,
        "error_cb": log_error,
    }


def member_name(instance_id: str | None, sizes: Mapping[str, int]) -> str | None:
    """The name of a consumer in its group; it changes when the topic of requests grows.

    sizes: partitions by topic. A static member that comes back gets its old partitions, without a
    new assignment. If the topic has grown meanwhile and no other member has seen it, nobody would
    ever read the new partitions. With another name it is a new member, and all is assigned again.
    """
    return None if instance_id is None else f"{instance_id}.{sizes[REQUEST_TOPIC]}"


def log_error(error: KafkaError) -> None:
    """Log an error that is not about one connection; all brokers down is logged once an outage.

    Raises KafkaException when the client can never work again; the call that polls it raises it.
    """
    raise_if_finished(error)
    if error.code() not in (KafkaError._TRANSPORT, KafkaError._RESOLVE):
        log.warning("Kafka: %s", error.str())


def topics() -> list[Topic]:
    """The topics that it reads and writes; sizes as in the connector's topic.creation settings."""
    no_retention = {"retention.ms": "-1", "max.message.bytes": str(LARGEST_DEAD_LETTER_BYTES)}
    return [
        Topic(REQUEST_TOPIC, REQUEST_PARTITIONS),
        Topic(HEARTBEAT_TOPIC, HEARTBEAT_PARTITIONS),
        Topic(DEAD_LETTER_TOPIC, 1, no_retention),
    ]
