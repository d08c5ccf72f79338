"""A client that finds no way back into its group, while Kafka answers others, is given up."""

from collections.abc import Iterator
from itertools import chain, repeat
from threading import Event
from typing import cast

import pytest
from confluent_kafka import Consumer

from cdc_consumer.health import Health
from cdc_consumer.limits import DlqLimit, DlqLimitState
from cdc_consumer.loop import ClientGivenUp, ConsumerLoop
from cdc_consumer.membership import NotReading

OUTSIDE = NotReading("the group's coordinator is not reached (query-coord)", is_member=False)


class SilentConsumer:
    """Polls nothing; ten seconds pass at each poll. Stops the loop after some polls."""

    def __init__(self, stopping: Event) -> None:
        self.now = 0.0
        self.polls = 0
        self.closed = False
        self._stopping = stopping

    def subscribe(self, *_: object, **__: object) -> None: ...

    def poll(self, _: float) -> None:
        self.now += 10
        self.polls += 1
        if self.polls == 100:
            self._stopping.set()

    def close(self) -> None:
        self.closed = True


def run(trouble: NotReading, answers: Iterator[bool]) -> SilentConsumer:
    stopping = Event()
    client = SilentConsumer(stopping)
    health = Health(lambda: client.now)
    health.reading(trouble)
    state = DlqLimitState(DlqLimit(max_consecutive=3, max_ratio=0.5, window=100))
    connect = cast(Consumer, client)
    loop = ConsumerLoop(
        lambda _: connect, lambda _: None, state, health, 500, 60, lambda: next(answers)
    )
    try:
        loop.run(stopping)
    except ClientGivenUp:
        assert not client.closed, "closing it may wait for its group without end"
        raise
    return client


def test_a_stuck_client_is_given_up_without_being_closed() -> None:
    with pytest.raises(ClientGivenUp, match="for 70 s, and Kafka answers others"):
        run(OUTSIDE, repeat(True))


def test_a_client_waits_while_kafka_answers_nobody() -> None:
    """Its time outside counts from when Kafka was last found silent."""
    with pytest.raises(ClientGivenUp):
        run(OUTSIDE, chain(repeat(False, 3), repeat(True)))
    assert run(OUTSIDE, repeat(False)).closed


def test_a_member_whose_partitions_cannot_be_read_goes_on() -> None:
    """A partition without a leader is no reason: restarting would disturb the others."""
    assert run(NotReading("requests [0] (none) not read", is_member=True), repeat(True)).closed
