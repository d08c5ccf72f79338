"""Checks of what Kafka throws away: settings of the topics, and records that nobody had read."""

from collections.abc import Iterator, Sequence

from connectors.topic_settings import TopicSettings, WrongSetting
from coupons.kafka_admin import KafkaAdmin
from operations.doctor.findings import Finding, Section, failing, ok
from operations.doctor.system import System


def check_topic_settings(places: System) -> Iterator[Finding]:
    """Raises KafkaUnavailable."""
    yield settings_finding(TopicSettings(places.kafka).faults())
    trimmed = KafkaAdmin(places.kafka).trimmed_unread(places.consumer_group)
    if trimmed:
        says = (
            f"retention has taken {sum(trimmed.values()):,} change events that the consumers"
            " had not handled: their requests have to be streamed again"
        )
        yield failing("trimmed", says, "coupon connector recover --emit", Section.TOPICS)
    else:
        yield ok("trimmed", "retention has taken nothing that was not handled")


def settings_finding(faults: Sequence[WrongSetting]) -> Finding:
    """What wrong settings mean."""
    if not faults:
        return ok("topic settings", "clean-up and retention are as they have to be")
    says = "; ".join(map(str, faults))
    return failing("topic settings", says, "coupon topics --mend", Section.TOPICS)
