"""Steps start as soon as they can, and a failure ends all of it."""

import threading

import pytest

from stack.graph import CancelledError, Step, run_steps


def _quiet(_name: str, _stage: str, _seconds: float) -> None:
    pass


def test_a_step_begins_only_after_all_it_comes_after() -> None:
    done: list[str] = []

    def step(name: str, *after: str) -> Step:
        return Step(name, lambda _cancelled: done.append(name), after)

    run_steps([step("c", "a", "b"), step("b", "a"), step("a"), step("d", "c")], _quiet)

    assert done == ["a", "b", "c", "d"]


def test_steps_that_need_nothing_of_each_other_run_side_by_side() -> None:
    met = threading.Barrier(3, timeout=10)

    def meet(_cancelled: threading.Event) -> None:
        met.wait()

    run_steps([Step(name, meet) for name in "abc"], _quiet)


def test_a_failure_makes_the_others_give_up_and_is_the_one_that_is_raised() -> None:
    stages: list[tuple[str, str]] = []
    waiting = threading.Event()

    def wait(cancelled: threading.Event) -> None:
        waiting.set()
        if cancelled.wait(10):
            raise CancelledError("slow")

    def fail(_cancelled: threading.Event) -> None:
        waiting.wait(10)
        raise ValueError("the first failure")

    steps = [Step("slow", wait), Step("bad", fail), Step("never", wait, after=("bad",))]
    with pytest.raises(ValueError, match="the first failure"):
        run_steps(steps, lambda name, stage, _seconds: stages.append((name, stage)))

    assert ("slow", "given up") in stages
    assert ("bad", "failed") in stages
    assert not [stage for stage in stages if stage[0] == "never"]
