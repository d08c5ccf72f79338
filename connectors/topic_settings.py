"""What the topics' settings have to be: a wrong one makes Kafka throw records away."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from coupons.change_events import DEAD_LETTER_TOPIC, HEARTBEAT_TOPIC, REQUEST_TOPIC
from coupons.errors import KafkaUnavailable
from coupons.kafka import KafkaClient

DAY_MS = 24 * 3600 * 1000
WEEK_MS = 7 * DAY_MS
"""Kafka's own default: what a retention that is too short is set to."""

_ANSWER_SECONDS = 5.0
_CRITICAL = 2


class Rule(NamedTuple):
    """Of one setting of a topic. right: by its value; otherwise: what to set; why: what happens."""

    setting: str
    right: Callable[[str], bool]
    otherwise: str
    why: str


class WrongSetting(NamedTuple):
    """A setting that is wrong."""

    topic: str
    value: str
    rule: Rule

    def __str__(self) -> str:
        return (
            f"{self.topic} has {self.rule.setting}={self.value}: {self.rule.why};"
            f" {self.rule.otherwise} is right"
        )


def _is(value: str) -> Callable[[str], bool]:
    return lambda given: given == value


def _lasts(milliseconds: int) -> Callable[[str], bool]:
    return lambda given: int(given) < 0 or int(given) >= milliseconds


_CONNECT = [Rule("cleanup.policy", _is("compact"), "compact", "Kafka Connect refuses to start")]
_STREAM = [
    Rule("cleanup.policy", _is("delete"), "delete", "requests of one user replace each other"),
    Rule("retention.ms", _lasts(DAY_MS), str(WEEK_MS), "what is not read within it is lost"),
    Rule("retention.bytes", _is("-1"), "-1", "a rush throws away what is not read yet"),
]
_LETTERS = [
    Rule("cleanup.policy", _is("delete"), "delete", "dead letters of one user replace each other"),
    Rule("retention.ms", _is("-1"), "-1", "dead letters are lost when it is over"),
    Rule("retention.bytes", _is("-1"), "-1", "dead letters are lost beyond it"),
]
RULES: Mapping[str, list[Rule]] = {
    "connect-configs": _CONNECT,
    "connect-offsets": _CONNECT,
    "connect-status": _CONNECT,
    REQUEST_TOPIC: _STREAM,
    HEARTBEAT_TOPIC: [_STREAM[0]],
    DEAD_LETTER_TOPIC: _LETTERS,
}
"""The first three are Kafka Connect's own, by the names that this project gives them."""


class TopicSettings:
    """The settings of one Kafka's topics. Every method raises KafkaUnavailable."""

    def __init__(self, kafka: KafkaClient) -> None:
        self._servers = kafka.bootstrap_servers
        self._admin = kafka.admin()

    def faults(self) -> list[WrongSetting]:
        """What is wrong with those that are there."""
        try:
            there = self._admin.list_topics(timeout=_ANSWER_SECONDS).topics
            asked = [ConfigResource(ResourceType.TOPIC, name) for name in RULES if name in there]
            if not asked:
                return []
            answers = self._admin.describe_configs(asked, request_timeout=_ANSWER_SECONDS)
            found = {each.name: answer.result() for each, answer in answers.items()}
        except KafkaException as error:
            raise self._away(error) from error
        return [
            WrongSetting(topic, value, rule)
            for topic, rules in RULES.items()
            if topic in found
            for rule in rules
            if not rule.right(value := str(found[topic][rule.setting].value))
        ]

    def mend(self) -> list[WrongSetting]:
        """Set what is wrong as it has to be; what was wrong."""
        faults = self.faults()
        changes = [
            ConfigResource(
                ResourceType.TOPIC,
                fault.topic,
                incremental_configs=[
                    ConfigEntry(
                        fault.rule.setting,
                        fault.rule.otherwise,
                        incremental_operation=AlterConfigOpType.SET,
                    )
                ],
            )
            for fault in faults
        ]
        try:
            # One by one: Kafka takes a topic once in a request.
            for change in changes:
                [done] = self._admin.incremental_alter_configs(
                    [change], request_timeout=_ANSWER_SECONDS
                ).values()
                done.result()
        except KafkaException as error:
            raise self._away(error) from error
        return faults

    def _away(self, error: KafkaException) -> KafkaUnavailable:
        return KafkaUnavailable(
            f"the settings of topics cannot be had at {self._servers}: {error.args[0].str()}"
        )
