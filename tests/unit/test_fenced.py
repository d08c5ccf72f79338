"""A fenced consumer goes on when nobody else uses its name, and ends when somebody does."""

from collections.abc import Iterator
from itertools import repeat
from threading import Event

import pytest

from cdc_consumer import fencing
from cdc_consumer.fencing import await_free_name
from coupons.errors import KafkaUnavailable

OWN = "consumer-1.10-of-this-process"
OTHER = "consumer-1.10-of-another"
LONG = 60.0
PAUSE = 0.05
LONGER_THAN_A_PAUSE = 0.06


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fencing, "_PAUSE_SECONDS", PAUSE)


def waited(users: Iterator[str | Exception | None], patience_s: float = LONG) -> str | None:
    stopping = Event()

    def user() -> str | None:
        found = next(users)
        if isinstance(found, Exception):
            raise found
        return found

    return await_free_name(user, OWN, patience_s, stopping, lambda: None)


def test_a_name_that_its_own_member_has_again_is_free() -> None:
    """A broker that had just started answered from an older state of the group."""
    assert waited(iter([OTHER, OWN])) is None


def test_a_name_that_nobody_uses_any_more_is_free() -> None:
    assert waited(iter([OTHER, None])) is None


def test_who_keeps_the_name_is_named() -> None:
    assert waited(repeat(OTHER), patience_s=0.0) == OTHER


def test_two_who_use_the_name_in_turn_are_not_one_who_keeps_it() -> None:
    """Each is gone soon."""
    users: list[str | Exception | None] = [OTHER, "consumer-1.10-of-a-third", OTHER, None]
    assert waited(iter(users), patience_s=LONGER_THAN_A_PAUSE) is None


def test_time_in_which_kafka_does_not_answer_does_not_count() -> None:
    """Nobody is taken for alive before Kafka named him twice without a gap in between."""
    silent = KafkaUnavailable("it does not answer")
    users: list[str | Exception | None] = [OTHER, silent, OTHER, None]
    assert waited(iter(users), patience_s=LONGER_THAN_A_PAUSE) is None


def test_a_stop_ends_the_wait() -> None:
    stopping = Event()
    turns = []

    def waiting() -> None:
        turns.append(1)
        stopping.set()

    assert await_free_name(lambda: OTHER, OWN, LONG, stopping, waiting) is None
    assert turns == [1]
