"""What retention took unread: a request is a loss, a heartbeat is none."""

import pytest

from coupons.change_events import HEARTBEAT_TOPIC, REQUEST_TOPIC
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.change_events.offsets import OffsetReader
from coupons.kafka.client import KafkaClient

BEGIN_END = {REQUEST_TOPIC: {0: (13, 20)}, HEARTBEAT_TOPIC: {0: (500, 501)}}


def test_only_requests_that_retention_took_unread_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is no Kafka here: what it says is put in its place."""
    monkeypatch.setattr(OffsetReader, "spans", lambda _, topic: BEGIN_END.get(topic, {}))
    monkeypatch.setattr(OffsetReader, "committed", lambda _, asked: dict.fromkeys(asked, 10))
    kafka = KafkaAdmin(KafkaClient("127.0.0.1:1"))
    assert kafka.trimmed_unread() == {(REQUEST_TOPIC, 0): 3}
