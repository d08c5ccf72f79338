"""A dead-letter producer that is finished for good ends the process; other trouble waits."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from cdc_consumer.dead_letters import DeadLetters, FailedRecord
from cdc_consumer.kafka import log_error
from coupons.errors import KafkaUnavailable, UndecodableEvent
from tests.support.events import record_of

FATAL = KafkaError(KafkaError._FATAL)
PASSING = KafkaError(KafkaError._MSG_TIMED_OUT)


class ScriptedProducer:
    """Fails when it is given a record, or when it delivers it."""

    def __init__(self, at_once: KafkaError | None, delivered: KafkaError | None) -> None:
        self._at_once = at_once
        self._delivered = delivered
        self._callbacks: list[Callable[..., None]] = []

    def produce(self, *_: Any, on_delivery: Callable[..., None], **__: Any) -> None:
        if self._at_once is not None:
            raise KafkaException(self._at_once)
        self._callbacks.append(on_delivery)

    def flush(self, _seconds: float) -> int:
        for callback in self._callbacks:
            callback(self._delivered, None)
        return 0


@pytest.mark.parametrize(
    ("at_once", "delivered", "raised"),
    [
        (FATAL, None, KafkaException),
        (None, FATAL, KafkaException),
        (PASSING, None, KafkaUnavailable),
        (None, PASSING, KafkaUnavailable),
    ],
)
def test_only_a_producer_that_is_finished_for_good_ends_the_process(
    at_once: KafkaError | None, delivered: KafkaError | None, raised: type[Exception]
) -> None:
    producer: Any = ScriptedProducer(at_once, delivered)
    letter = FailedRecord(record_of(b"garbage"), UndecodableEvent("garbage"))
    with pytest.raises(raised):
        DeadLetters(producer, "test").deliver([letter], 1)


def test_an_error_of_the_client_ends_the_process_only_if_it_is_fatal() -> None:
    """What a client says of itself ends the process only if it is finished."""
    log_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    with pytest.raises(KafkaException):
        log_error(FATAL)
