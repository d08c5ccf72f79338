"""Starts the parts of a stack, or none of them, and stops them in order."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stack.folder import StateFolder
from stack.graph import OnStage, Step, run_steps
from stack.parts import Part, clear_leftovers, is_running, start_step
from stack.ports import check_free
from stack.processes import end
from stack.servers.postgres import postgres_home

# A part is stopped before the parts that it uses; the parts of one wave stop in parallel.
_LAST_WAVES = (("connect",), ("registry", "kafka"), ("valkey", "postgres"))
_CLEAN_UP_DEADLINE_S = 10.0
_ALIVE_DEADLINE_S = 10.0
"""How long a part may take to answer when all were running already, in seconds."""
OnStop = Callable[[str, bool], None]
"""Called with a stopped part's name and whether it ended without SIGKILL."""


def bring_up(
    folder: StateFolder, parts: Sequence[Part], tasks: Sequence[Step], on_stage: OnStage
) -> list[str]:
    """Start the parts that do not run and run the tasks; return the names of what was started.

    If anything fails, or the caller is interrupted, everything that this call started is stopped
    again and the failure is raised; other parts keep running. Raises SettingError for a port that
    is taken.
    """
    down = [part for part in parts if not is_running(folder.part(part.name))]
    for part in down:
        clear_leftovers(folder.part(part.name))
    check_free({name: port for part in down for name, port in part.ports.items()})
    patience_s = None if down else _ALIVE_DEADLINE_S
    steps = [start_step(part, folder.part(part.name), patience_s) for part in parts]
    names = [part.name for part in down]
    try:
        run_steps([*steps, *tasks], on_stage)
    except BaseException:
        take_down(folder, names, lambda _name, _gracefully: None, _CLEAN_UP_DEADLINE_S)
        raise
    return names


def data_folders(folder: StateFolder) -> list[Path]:
    """Every folder with data of the stack; when root runs it, Postgres has its own."""
    home = postgres_home(folder)
    outside = home is not None and not home.is_relative_to(folder.path)
    return [folder.path, home] if home and outside else [folder.path]


def wipe(folder: StateFolder) -> None:
    """Remove a stopped stack with all its data."""
    for each in reversed(data_folders(folder)):
        shutil.rmtree(each)


def saves_archive(folder: StateFolder, names: Iterable[str]) -> bool:
    """Whether stopping takes longer than usual, because a running part saves an archive."""
    runs = [folder.part(name).last_run() for name in names]
    return any(run is not None and run.leaves and run.process() for run in runs)


def take_down(
    folder: StateFolder, names: Iterable[str], on_stop: OnStop, deadline_s: float | None = None
) -> None:
    """Stop the named parts: applications first, then the servers that they use.

    deadline_s: seconds until a part is killed; None: the part's own deadline.
    """

    def stop(name: str) -> None:
        run = folder.part(name).last_run()
        if run is not None and run.family():
            on_stop(name, end(run, deadline_s))

    names = list(names)
    servers = {name for wave in _LAST_WAVES for name in wave}
    waves = [[name for name in names if name not in servers]]
    waves += [[name for name in wave if name in names] for wave in _LAST_WAVES]
    for wave in waves:
        with ThreadPoolExecutor(max(1, len(wave))) as pool:
            list(pool.map(stop, wave))
