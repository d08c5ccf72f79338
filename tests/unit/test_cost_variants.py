"""Variants in turns leave the stack as it was, whatever happens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.measurements import costs
from benchmarks.measurements.costs import APPLICATIONS, Turn, Variant, measure_costs
from stack.disposable import DisposableStack

OLD = Variant("old", {"COUPON_LOG_REQUESTS": "true"}, Path("/old"), without=["monitor"])


class Recorded:
    """A stack that only notes what is asked of it."""

    def __init__(self) -> None:
        self.source: Path | None = None
        self.running: dict[str, tuple[Path | None, Mapping[str, str]]] = {}

    def stop(self, *parts: str) -> None:
        for part in parts:
            self.running.pop(part, None)

    def up(self, settings: Mapping[str, str]) -> None:
        for part in APPLICATIONS:
            self.running.setdefault(part, (self.source, settings))


def measured(stack: Recorded, turns: int = 1) -> dict[str, list[Turn]]:
    return measure_costs(cast(DisposableStack, stack), [Variant("now"), OLD], turns, 1)


def test_afterwards_the_stack_runs_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Recorded()
    seen: list[dict[str, Any]] = []

    def turn(of: Any, variant: Variant, _seconds: int) -> Turn:
        costs._start(of, variant)
        seen.append(dict(of.running))
        return Turn(1.0, {})

    monkeypatch.setattr(costs, "_turn", turn)
    assert {name: len(turns) for name, turns in measured(stack, 2).items()} == {"now": 2, "old": 2}
    assert "monitor" not in seen[1]
    assert seen[1]["api"] == (OLD.source, OLD.settings)
    assert stack.running == dict.fromkeys(APPLICATIONS, (None, {}))


def test_a_stack_that_failed_is_not_removed_from_source_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = Recorded()

    def fail(of: Any, variant: Variant, _seconds: int) -> Turn:
        costs._start(of, variant)
        if variant is OLD:
            raise TimeoutError("of a test")
        return Turn(1.0, {})

    monkeypatch.setattr(costs, "_turn", fail)
    with pytest.raises(TimeoutError):
        measured(stack)
    assert stack.source is None
