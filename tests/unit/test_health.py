"""When the consumer's light is green."""

import json
from typing import Any

import pytest

from cdc_consumer.health import STUCK_AFTER_SECONDS, UNREAD_AFTER_SECONDS, Health
from cdc_consumer.membership import NotReading, not_reading


class Clock:
    """Seconds, as the test sets them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def figures(
    state: str = "up", join_state: str = "steady", owned: int = 1, fetch: str = "active"
) -> str:
    partitions: dict[str, Any] = {
        "0": {"desired": owned > 0, "fetch_state": fetch},
        "1": {"desired": False, "fetch_state": "none"},
    }
    group = {"state": state, "join_state": join_state, "assignment_size": owned}
    return json.dumps({"cgrp": group, "topics": {"requests": {"partitions": partitions}}})


@pytest.mark.parametrize(
    ("statistics", "trouble"),
    [
        (figures(), None),
        (figures(owned=0), None),
        (figures(join_state="wait-join"), None),
        (figures(join_state="wait-join", owned=0), "no member"),
        (figures(state="wait-broker"), "coordinator"),
        (figures(fetch="offset-wait"), "requests [0] (offset-wait) not read"),
        ("{}", "coordinator"),
    ],
)
def test_what_the_clients_figures_mean(statistics: str, trouble: str | None) -> None:
    found = not_reading(statistics)
    assert found is None if trouble is None else found is not None and trouble in found.why


def test_who_is_no_member_for_long_is_not_healthy_until_it_is_again() -> None:
    clock = Clock()
    health = Health(clock)
    health.joining()
    assert health.complaint() == "joining the group"
    health.joined()
    assert health.complaint() is None
    health.reading(NotReading("it is no member of the group (wait-join)", False))
    clock.now = UNREAD_AFTER_SECONDS
    health.alive()
    assert health.complaint() is None, "a rebalance passes"
    clock.now += 1
    assert health.complaint() == "it is no member of the group (wait-join), for 31 s"
    assert health.outside_seconds() == UNREAD_AFTER_SECONDS + 1
    health.reading(None)
    assert health.complaint() is None
    assert health.outside_seconds() == 0


def test_a_member_whose_partitions_cannot_be_read_is_not_outside() -> None:
    """A partition without a leader is no reason to begin anew: that would disturb the others."""
    clock = Clock()
    health = Health(clock)
    health.reading(NotReading("requests [0] (none) not read", True))
    clock.now = 3_600
    assert health.outside_seconds() == 0


def test_who_joins_while_something_is_away_still_says_so() -> None:
    health = Health()
    health.backing_off("LedgerUnavailable: away")
    health.joined()
    assert health.complaint() == "LedgerUnavailable: away"


def test_who_hangs_is_not_healthy() -> None:
    clock = Clock()
    health = Health(clock)
    health.working()
    clock.now = STUCK_AFTER_SECONDS + 1
    complaint = health.complaint()
    assert complaint is not None
    assert "stuck" in complaint
