"""The whole embedded stack."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from stack.cache import cache_folder
from stack.disposable import DisposableStack, disposable_stack
from stack.lifecycle import saves_archive

_SAVE_ARCHIVES = ("kafka", "connect", "registry")


@contextmanager
def shared_stack(config: pytest.Config) -> Iterator[DisposableStack]:
    """A stack of one folder's tests, or the one of --stack; a test leaves it running and in order.

    It ends with the tests of the folder: a stack that nobody uses takes a third of a core.
    """
    folder = config.getoption("--stack")
    if folder:
        running = DisposableStack(Path(folder).absolute())
        running.adopt()
        yield running
        return
    with new_stack() as own:
        yield own


@contextmanager
def new_stack() -> Iterator[DisposableStack]:
    """A stack whose Java programs start from archives, also on a machine that had none."""
    with ExitStack() as until_the_end:
        with _one_worker_at_a_time():
            own = until_the_end.enter_context(disposable_stack())
            _start_from_archives(own)
        yield own


@contextmanager
def _one_worker_at_a_time() -> Iterator[None]:
    """What one worker saves, the next one finds. The lock ends with its process."""
    folder = cache_folder() / "java"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start_from_archives(own: DisposableStack) -> None:
    """Save the archives of Java's classes now, where there are none, and not when the run ends.

    The run starts them dozens of times; an archive takes half of the work of a start, and more.
    """
    if saves_archive(own.folder, _SAVE_ARCHIVES):
        own.stop(*_SAVE_ARCHIVES)
        own.up()
