"""Runs steps in the order of their dependencies, in parallel where that is possible."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from threading import Event
from typing import Literal

Stage = Literal["starting", "ready", "failed", "given up"]
OnStage = Callable[[str, Stage, float], None]
"""Called with a step's name, its new stage and the seconds since it began."""


class CancelledError(Exception):
    """A step stopped because another one failed."""


@dataclass(frozen=True)
class Step:
    """One step. run: gets an event that is set when it has to stop (by a CancelledError)."""

    name: str
    run: Callable[[Event], None]
    after: tuple[str, ...] = ()


def run_steps(steps: Sequence[Step], on_stage: OnStage) -> None:
    """Run every step when the steps in its `after` are done.

    When one fails, or the caller is interrupted, the others are cancelled and awaited; then the
    first failure is raised. A name in `after` that is no step counts as done.
    """
    by_name = {step.name: step for step in steps}
    order = TopologicalSorter(
        {step.name: [name for name in step.after if name in by_name] for step in steps}
    )
    order.prepare()
    cancelled = Event()
    with ThreadPoolExecutor(max(1, len(steps))) as pool:
        running: dict[Future[None], str] = {}
        try:
            while order.is_active():
                for name in order.get_ready():
                    running[pool.submit(_run_step, by_name[name], cancelled, on_stage)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    future.result()
                    order.done(name)
        except BaseException:
            cancelled.set()
            raise


def _run_step(step: Step, cancelled: Event, on_stage: OnStage) -> None:
    began = time.monotonic()
    on_stage(step.name, "starting", 0.0)
    try:
        step.run(cancelled)
    except BaseException as error:
        stage: Stage = "given up" if isinstance(error, CancelledError) else "failed"
        on_stage(step.name, stage, time.monotonic() - began)
        raise
    on_stage(step.name, "ready", time.monotonic() - began)
