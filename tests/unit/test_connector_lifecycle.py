"""Whether a connector runs is told by what Connect says after it was told to start it."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors import lifecycle
from connectors.connect import Connect
from connectors.lifecycle import await_running
from coupons import waiting
from coupons.errors import ConnectorError


class Told:
    """In place of Connect: the state of a connector's task at each second."""

    def __init__(self, states: Iterator[str]) -> None:
        self.now = 0.0
        self._states = states

    def sleep(self, _: float) -> None:
        self.now += 1.0

    def call(self, _method: str, _path: str) -> dict[str, Any]:
        state = next(self._states)
        task = {"id": 0, "state": state, "trace": "it cannot" if state == "FAILED" else ""}
        return {"connector": {"state": "RUNNING"}, "tasks": [task]}


def await_told(patch: pytest.MonkeyPatch, *states: str) -> float:
    """After how many seconds it runs."""
    told = Told(iter(states))
    fake = SimpleNamespace(monotonic=lambda: told.now, sleep=told.sleep)
    patch.setattr(lifecycle, "time", fake)
    patch.setattr(waiting, "time", fake)
    assert await_running(cast(Connect, told), "of a test").is_running
    return told.now


def test_a_failure_from_before_is_none_until_connect_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy Connect goes on telling what was before it was told to start the task again."""
    states = [*["FAILED"] * 6, "RESTARTING", "UNASSIGNED", "FAILED", "RUNNING"]
    assert await_told(monkeypatch, *states) == 9.0


@pytest.mark.parametrize(
    "states",
    [["FAILED"] * 12, ["RESTARTING", *["FAILED"] * 4]],
    ids=["nothing ever begins", "it fails again"],
)
def test_a_failure_that_stays_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, states: list[str]
) -> None:
    with pytest.raises(ConnectorError, match="of a test does not run: it cannot"):
        await_told(monkeypatch, *states)
