"""What retention took unread: a request is a loss, a heartbeat is none."""

import pytest

from coupons.change_events import HEARTBEAT_TOPIC, REQUEST_TOPIC
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.change_events.offsets import OffsetReader, lags
from coupons.kafka.client import KafkaClient

BEGIN_END = {
    REQUEST_TOPIC: {(REQUEST_TOPIC, 0): (13, 20)},
    HEARTBEAT_TOPIC: {(HEARTBEAT_TOPIC, 0): (500, 501)},
}


def test_only_requests_that_retention_took_unread_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is no Kafka here: what it says is put in its place."""
    monkeypatch.setattr(OffsetReader, "spans", lambda _, topic: BEGIN_END.get(topic, {}))
    monkeypatch.setattr(OffsetReader, "committed", lambda _, asked: dict.fromkeys(asked, 10))
    kafka = KafkaAdmin(KafkaClient("127.0.0.1:1"))
    assert kafka.trimmed_unread() == {(REQUEST_TOPIC, 0): 3}


def test_what_is_handled_after_its_end_was_read_hides_no_other_lag() -> None:
    spans = {("topic", 0): (0, 10), ("topic", 1): (0, 10), ("topic", 2): (4, 10)}
    committed = {("topic", 0): 15, ("topic", 1): 5}
    assert lags(spans, committed) == {("topic", 0): 0, ("topic", 1): 5, ("topic", 2): 6}
