"""How the consumer talks to Kafka: settings of the clients, and the topics."""

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
from coupons.kafka import raise_if_finished

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

    on_statistics: gets the client's own figures as JSON, every STATISTICS_SECONDS.
    member: makes it a static member of the group (KIP-345) of that name, which is waited for
    instead of replaced; None: a dynamic one.
    cooperative-sticky: when a consumer comes or goes, only the partitions that move stop; all the
    others go on being issued. The fetch limits bound the memory that a backlog takes, and how far
    one partition is read before the next: some thousand requests, so that a backlog is worked off
    in about the order of its commits.
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
    """What a consumer is called in its group: another name when the topic of requests has grown.

    sizes: partitions by topic. A static member that comes back is given what it had, without a new
    assignment. If the topic had grown meanwhile and no other member had seen it, nobody would read
    the new partitions, ever. By another name it is a new member, and everything is assigned anew.
    """
    return None if instance_id is None else f"{instance_id}.{sizes[REQUEST_TOPIC]}"


def log_error(error: KafkaError) -> None:
    """All brokers away is told once an outage; of the rest, what is not about one connection.

    Raises KafkaException when the client is finished for good; the call that polls it raises it.
    """
    raise_if_finished(error)
    if error.code() not in (KafkaError._TRANSPORT, KafkaError._RESOLVE):
        log.warning("Kafka: %s", error.str())


def topics() -> list[Topic]:
    """What the consumer reads and writes; sizes as in the connector's topic.creation settings."""
    kept_for_ever = {"retention.ms": "-1", "max.message.bytes": str(LARGEST_DEAD_LETTER_BYTES)}
    return [
        Topic(REQUEST_TOPIC, REQUEST_PARTITIONS),
        Topic(HEARTBEAT_TOPIC, HEARTBEAT_PARTITIONS),
        Topic(DEAD_LETTER_TOPIC, 1, kept_for_ever),
    ]
