"""What retention took unread: a request is a loss, a heartbeat is none."""

from typing import Any

import pytest

from coupons.change_events import HEARTBEAT_TOPIC, REQUEST_TOPIC
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.kafka.client import KafkaClient

REQUESTS, BEATS = (REQUEST_TOPIC, 0), (HEARTBEAT_TOPIC, 0)


def test_only_requests_that_retention_took_unread_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is no Kafka here: what it says is put in its place."""
    kafka = KafkaAdmin(KafkaClient("127.0.0.1:1"))
    answers: dict[str, Any] = {
        "committed": {REQUESTS: 10, BEATS: 10},
        "_partitions": [REQUESTS, BEATS],
        "_offsets": {REQUESTS: 13, BEATS: 500},
    }
    for name, answer in answers.items():
        monkeypatch.setattr(kafka, name, lambda *_, answer=answer: answer)
    assert kafka.trimmed_unread() == {REQUESTS: 3}
