"""The settings that each topic must have: with a wrong one Kafka deletes records."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from coupons.change_events import DEAD_LETTER_TOPIC, HEARTBEAT_TOPIC, REQUEST_TOPIC
from coupons.change_events.topics import EVENTS_TOPIC
from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient

DAY_MS = 24 * 3600 * 1000
WEEK_MS = 7 * DAY_MS
"""Kafka's default. A retention that is too short is set to it."""

_ANSWER_SECONDS = 5.0


class Rule(NamedTuple):
    """For one setting of a topic.

    is_right: whether a value is; correct: the value to set; why: what a wrong value does.
    """

    setting: str
    is_right: Callable[[str], bool]
    correct: str
    why: str


class WrongSetting(NamedTuple):
    """A setting that is wrong."""

    topic: str
    value: str
    rule: Rule

    def __str__(self) -> str:
        return (
            f"{self.topic} has {self.rule.setting}={self.value}: {self.rule.why};"
            f" {self.rule.correct} is right"
        )


def _is(value: str) -> Callable[[str], bool]:
    return lambda given: given == value


def _lasts(milliseconds: int) -> Callable[[str], bool]:
    return lambda given: int(given) < 0 or int(given) >= milliseconds


_CONNECT = [Rule("cleanup.policy", _is("compact"), "compact", "Kafka Connect refuses to start")]
_EVENTS = [
    Rule("cleanup.policy", _is("delete"), "delete", "requests of one user replace each other"),
    Rule(
        "retention.ms", _lasts(DAY_MS), str(WEEK_MS), "records that are not read in time are lost"
    ),
    Rule("retention.bytes", _is("-1"), "-1", "a rush deletes records that are not read yet"),
]
_DEAD_LETTERS = [
    Rule("cleanup.policy", _is("delete"), "delete", "dead letters of one user replace each other"),
    Rule("retention.ms", _is("-1"), "-1", "dead letters are lost after that time"),
    Rule("retention.bytes", _is("-1"), "-1", "dead letters beyond that size are lost"),
]
RULES: Mapping[str, list[Rule]] = {
    "connect-configs": _CONNECT,
    "connect-offsets": _CONNECT,
    "connect-status": _CONNECT,
    REQUEST_TOPIC: _EVENTS,
    HEARTBEAT_TOPIC: [_EVENTS[0]],
    DEAD_LETTER_TOPIC: _DEAD_LETTERS,
}
"""The first three are Kafka Connect's own topics, with the names that this project gives them."""


class TopicSettings:
    """The settings of the topics. Every method raises KafkaUnavailable."""

    def __init__(self, kafka: KafkaClient) -> None:
        self._servers = kafka.bootstrap_servers
        self._admin = kafka.admin()

    def wrong(self) -> list[WrongSetting]:
        """The wrong settings of the topics that exist."""
        found = self._describe(RULES)
        return [
            WrongSetting(topic, value, rule)
            for topic, rules in RULES.items()
            if topic in found
            for rule in rules
            if not rule.is_right(value := str(found[topic][rule.setting].value))
        ]

    def longest_kept(self) -> timedelta | None:
        """After this time, Kafka has deleted a record of a request or an event; None: never.

        Kafka deletes segments. A record may lie in one that gets others for `segment.ms`.
        """
        kept = [
            (int(str(each["retention.ms"].value)), int(str(each["segment.ms"].value)))
            for each in self._describe((REQUEST_TOPIC, EVENTS_TOPIC)).values()
        ]
        if any(retention_ms < 0 for retention_ms, _ in kept):
            return None
        return timedelta(milliseconds=max(map(sum, kept), default=0))

    def correct(self) -> list[WrongSetting]:
        """Set every wrong setting to its correct value; returns the settings that were wrong."""
        wrong = self.wrong()
        changes = [
            ConfigResource(
                ResourceType.TOPIC,
                each.topic,
                incremental_configs=[
                    ConfigEntry(
                        each.rule.setting,
                        each.rule.correct,
                        incremental_operation=AlterConfigOpType.SET,
                    )
                ],
            )
            for each in wrong
        ]
        try:
            # One by one: Kafka accepts each topic once in a request.
            for change in changes:
                [done] = self._admin.incremental_alter_configs(
                    [change], request_timeout=_ANSWER_SECONDS
                ).values()
                done.result()
        except KafkaException as error:
            raise self._unavailable(error) from error
        return wrong

    def _describe(self, topics: Iterable[str]) -> dict[str, dict[str, ConfigEntry]]:
        """The settings of those of these topics that exist, by name."""
        try:
            existing = self._admin.list_topics(timeout=_ANSWER_SECONDS).topics
            found = [name for name in topics if name in existing]
            asked = [ConfigResource(ResourceType.TOPIC, name) for name in found]
            if not asked:
                return {}
            answers = self._admin.describe_configs(asked, request_timeout=_ANSWER_SECONDS)
            return {each.name: answer.result() for each, answer in answers.items()}
        except KafkaException as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: KafkaException) -> KafkaUnavailable:
        return KafkaUnavailable(
            f"Kafka at {self._servers} did not return or set the settings of topics:"
            f" {error.args[0].str()}"
        )
