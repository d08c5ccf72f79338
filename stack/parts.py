"""Parts of the stack, and the step that starts one and waits until it is healthy."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import NamedTuple

from stack.errors import PartFailedError
from stack.folder import PartFiles
from stack.graph import CancelledError, Step
from stack.processes import Command, end, start

_POLL_S = 0.1
_TAIL_LINES = 15
_LEFTOVER_DEADLINE_S = 5.0
_ROTATE_BYTES = 20_000_000
_SLOW = (
    "On a busy machine, a start takes longer: try again when less is going on, or with"
    " COUPON_JAVA_OPTIONS=-XX:TieredStopAtLevel=1, with which Java starts with less work."
)


class Repair(NamedTuple):
    """Why a part does not start, and the shell command to type before it is started again."""

    says: str
    command: str


@dataclass(frozen=True)
class Part:
    """One long-running process of the stack.

    command: prepares what the process needs and returns what to run. healthy: whether it works;
    it has deadline_s seconds until then. find_repair: from the last lines of its log, what repairs
    a part that does not start; None: not known.
    """

    name: str
    command: Callable[[], Command]
    healthy: Callable[[], bool]
    ports: Mapping[str, int]
    after: tuple[str, ...] = ()
    deadline_s: float = 180.0
    find_repair: Callable[[Sequence[str]], Repair | None] = lambda _lines: None


def repair_of(part: Part, files: PartFiles) -> Repair | None:
    """What repairs this part, by the log of its last run; None: not known."""
    return part.find_repair(_last_lines(files))


def is_running(files: PartFiles) -> bool:
    """Whether the process that was started last is alive."""
    run = files.last_run()
    return run is not None and run.process() is not None


def clear_leftovers(files: PartFiles) -> None:
    """Ends children that outlived their killed parent: they may hold its port and its files."""
    run = files.last_run()
    if run is not None and run.process() is None:
        end(run, _LEFTOVER_DEADLINE_S)


def start_step(part: Part, files: PartFiles, patience_s: float | None = None) -> Step:
    """A step that starts the part if it is not running, and waits until it is healthy.

    patience_s: how long a part that runs already may take to answer; None: as long as a part that
    is started now, because the servers that it uses are started now.
    """

    def run(cancelled: Event) -> None:
        if is_running(files):
            waiting_s = part.deadline_s if patience_s is None else patience_s
            _await_answer(part, files, cancelled, waiting_s)
        else:
            if files.log.exists() and files.log.stat().st_size > _ROTATE_BYTES:
                files.log.replace(files.log.with_suffix(".log.1"))
            files.save(start(part.command(), files.log, files.exit_file))
            _await_healthy(part, files, cancelled)

    return Step(part.name, run, part.after)


def _await_healthy(part: Part, files: PartFiles, cancelled: Event) -> None:
    give_up = time.monotonic() + part.deadline_s
    while not part.healthy():
        if not is_running(files):
            raise PartFailedError(
                _failure(part, files, f"died while starting ({files.last_exit()})")
            )
        if time.monotonic() > give_up:
            raise PartFailedError(
                f"{_failure(part, files, f'was not ready in {part.deadline_s:.0f} s')}\n{_SLOW}"
            )
        if cancelled.wait(_POLL_S):
            raise CancelledError(part.name)


def _await_answer(part: Part, files: PartFiles, cancelled: Event, waiting_s: float) -> None:
    """Wait for a part that runs already; it may have been started a moment ago."""
    run = files.last_run()
    assert run is not None
    starting_until = run.started + part.deadline_s
    give_up = time.monotonic() + max(waiting_s, starting_until - time.time())
    while not part.healthy():
        if not is_running(files):
            raise PartFailedError(
                f"{part.name} ended just now ({files.last_exit()}): run the command again"
            )
        if time.monotonic() > give_up:
            raise PartFailedError(
                f"{part.name} runs (process {run.pid}) and does not answer: restart it with"
                f" `coupon restart {part.name}`; `coupon logs {part.name}` may say why"
            )
        if cancelled.wait(_POLL_S):
            raise CancelledError(part.name)


def _failure(part: Part, files: PartFiles, what: str) -> str:
    shown = "\n".join(f"    {line}" for line in _last_lines(files)) or "    (it wrote nothing)"
    repair = repair_of(part, files)
    advice = f"\n{part.name}: {repair.says}. Type: {repair.command}" if repair else ""
    return f"{part.name} {what}. The last lines of {files.log}:\n{shown}{advice}"


def _last_lines(files: PartFiles) -> list[str]:
    """The last lines of the log of the last run."""
    run = files.last_run()
    return files.log_tail(_TAIL_LINES, run.log_offset if run else 0)
