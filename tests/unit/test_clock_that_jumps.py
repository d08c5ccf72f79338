"""A clock that is set an hour forward or back changes no duration and opens no link twice."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from coupons.errors import CouponError
from coupons.sign_in_links import LIFE_SECONDS, make_code
from monitor import source
from monitor.page.sign_in import SignIn, SignInRefused
from monitor.source import Source

HOUR = 3_600.0
KEY = "a-key-of-links-of-the-tests-only-x"

SetClock = Callable[[float], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Sets the clock by so many seconds from what it really is."""
    real = time.time

    def change(by_s: float) -> None:
        class Clock(datetime):
            """`datetime.now` is in C: it does not ask `time.time`."""

            @classmethod
            def now(cls, tz: tzinfo | None = None) -> "Clock":
                return cls.fromtimestamp(real() + by_s, tz)

        monkeypatch.setattr(time, "time", lambda: real() + by_s)
        monkeypatch.setattr(source, "datetime", Clock)

    return change


def fail() -> None:
    raise CouponError("it is down")


@pytest.mark.parametrize("by_s", [HOUR, -HOUR])
def test_what_is_unknown_since_a_moment_is_so_by_the_clock_as_it_is_set(
    by_s: float, set_clock: SetClock
) -> None:
    server = Source("a server", fail, 1.0, 1.0)
    server.refresh()
    before = server.reading
    assert server.reading.since == before.since, "the moment does not waver"
    set_clock(by_s)
    reading = server.reading
    assert reading.age_s < HOUR / 2
    assert abs((reading.since - before.since).total_seconds() - by_s) < HOUR / 2
    assert abs(datetime.now(UTC) + timedelta(seconds=by_s) - reading.since) < timedelta(minutes=5)


def signed_in(page: SignIn, code: str) -> bool:
    try:
        return page.by_link(code).who == "ana"
    except SignInRefused:
        return False


@pytest.mark.parametrize("by_s", [HOUR, -HOUR])
def test_a_new_link_signs_in_after_the_clock_was_set(by_s: float, set_clock: SetClock) -> None:
    page = SignIn(KEY, None)
    set_clock(by_s)
    code = make_code(KEY, "ana", acts=False)
    assert signed_in(page, code)
    assert not signed_in(page, code)


def test_a_link_that_was_used_opens_nothing_when_the_clock_makes_it_young_again(
    set_clock: SetClock,
) -> None:
    page = SignIn(KEY, None)
    set_clock(0.0)
    used = make_code(KEY, "ana", acts=False)
    assert signed_in(page, used)
    set_clock(HOUR)
    assert signed_in(page, make_code(KEY, "ana", acts=False))
    set_clock(0.0)
    assert not signed_in(page, used)


@pytest.mark.parametrize("by_s", [0.0, -LIFE_SECONDS / 2, -LIFE_SECONDS / 2 - 1])
def test_a_link_from_before_the_start_opens_nothing_whatever_the_clock(
    by_s: float, set_clock: SetClock
) -> None:
    set_clock(-LIFE_SECONDS / 2)
    of_before = make_code(KEY, "ana", acts=False)
    set_clock(0.0)
    page = SignIn(KEY, None)
    set_clock(by_s)
    assert not signed_in(page, of_before)
