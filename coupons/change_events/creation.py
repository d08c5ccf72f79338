"""Creates topics before records are written to them."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic

from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient

_TIMEOUT_SECONDS = 5.0
_BROKERS_DEFAULT = -1


class Topic(NamedTuple):
    """A topic that must exist; its replication factor is the brokers' default."""

    name: str
    partitions: int
    config: Mapping[str, str] = {}


def ensure_topics(kafka: KafkaClient, topics: Sequence[Topic]) -> dict[str, int]:
    """Create the missing topics; the others stay as they are. Raises KafkaUnavailable.

    Returns how many partitions each topic has now.
    """
    reasons: list[str] = []

    def on_error(error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            reasons.append(error.str())

    admin = kafka.admin({"error_cb": on_error})
    try:
        present = admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        missing = [
            NewTopic(topic.name, topic.partitions, _BROKERS_DEFAULT, config=dict(topic.config))
            for topic in topics
            if topic.name not in present
        ]
        if missing:
            created = admin.create_topics(missing, operation_timeout=_TIMEOUT_SECONDS)
            for future in created.values():
                _tolerate_existing(future.result)
        return {
            topic.name: len(present[topic.name].partitions)
            if topic.name in present
            else topic.partitions
            for topic in topics
        }
    except KafkaException as error:
        admin.poll(0)
        # The call only says that it failed; the errors of the connections say why.
        reason = [error.args[0].str(), *reasons[-1:]]
        raise KafkaUnavailable(
            f"the topics could not be created at {kafka.bootstrap_servers}: {': '.join(reason)}"
        ) from error


def _tolerate_existing(result: Callable[[], None]) -> None:
    try:
        result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
