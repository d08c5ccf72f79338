"""Faults of processes: killed with SIGKILL, or stopped with SIGSTOP."""

import signal
from contextlib import suppress

import psutil

from chaos.faults.fault import Fault, FaultContext
from chaos.target import PARTS, Target


def process_faults(target: Target) -> list[Fault]:
    """Each part is killed, and each part is paused."""
    return [*(_kill(target, part) for part in PARTS), *(_pause(target, part) for part in PARTS)]


def _kill(target: Target, part: str) -> Fault:
    sentence = f"{part} is killed with all its processes, and started again"
    return Fault(f"kill {part}", sentence, lambda: target.kill(part), lambda: target.start(part))


def _pause(target: Target, part: str) -> Fault:
    sentence = f"{part} is stopped (SIGSTOP), and continued later"
    return Fault(f"pause {part}", sentence, lambda: target.pause(part), lambda: target.resume(part))


def api_worker_faults(context: FaultContext) -> list[Fault]:
    """One worker of the API, chosen at random, is killed or paused."""
    paused: list[psutil.Process] = []

    def some_worker() -> psutil.Process:
        workers = context.target.api_workers()
        assert workers, "the API has no workers"
        return context.rng.choice(workers)

    def kill() -> None:
        some_worker().kill()

    def pause() -> None:
        paused.append(some_worker())
        paused[-1].send_signal(signal.SIGSTOP)

    def resume() -> None:
        while paused:
            with suppress(psutil.NoSuchProcess):
                paused.pop().send_signal(signal.SIGCONT)

    return [
        Fault("kill api worker", "one worker of the API is killed", kill, lasting=False),
        Fault("pause api worker", "one worker of the API is stopped (SIGSTOP)", pause, resume),
    ]
