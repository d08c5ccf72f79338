"""A test that waits leaves the processor to what it waits for."""

from types import SimpleNamespace

import pytest

from coupons import waiting
from coupons.errors import RedisUnavailable
from coupons.waiting import eventually


class Clock:
    """Time passes by itself only while somebody sleeps or asks."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0

    def pass_s(self, seconds: float) -> None:
        self.now += seconds

    def asks(self, takes_s: float, until: float) -> bool:
        self.asked += 1
        self.now += takes_s
        return self.now > until


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    fake = SimpleNamespace(monotonic=lambda: clock.now, sleep=clock.pass_s)
    monkeypatch.setattr(waiting, "time", fake)
    return clock


@pytest.mark.parametrize(
    ("takes_s", "asked"),
    [(0.0, 500), (0.01, 250), (0.24, 20), (2.0, 4)],
    ids=["nothing", "a query", "a small command", "a long command"],
)
def test_what_takes_long_is_asked_less_often(clock: Clock, takes_s: float, asked: int) -> None:
    with pytest.raises(AssertionError, match=r"not within 10\.0 s"):
        eventually(lambda: clock.asks(takes_s, until=1e9), 10.0)
    assert clock.asked == pytest.approx(asked, abs=2)


def test_an_answer_ends_the_wait_at_once(clock: Clock) -> None:
    assert eventually(lambda: clock.asks(0.5, until=1.0), 10.0)
    assert clock.now == pytest.approx(0.5 + 0.5 + 0.02 + 0.5)


def test_who_stood_still_until_the_deadline_is_asked_once_more(clock: Clock) -> None:
    assert eventually(lambda: clock.asks(15.0, until=20.0), 10.0)
    assert clock.asked == 2


def test_a_server_that_misses_one_answer_is_asked_again() -> None:
    failures = iter([RedisUnavailable("busy"), ConnectionRefusedError(), AssertionError()])

    def answered() -> bool:
        for failure in failures:
            raise failure
        return True

    assert eventually(answered)


def test_a_mistake_of_the_condition_is_raised_at_once() -> None:
    with pytest.raises(KeyError):
        eventually(lambda: {"there": 1}["not there"])
