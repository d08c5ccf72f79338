"""How a worker process learns that it has to stop."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from threading import Thread
from time import sleep

STOP_SECONDS = 10
LOOK_SECONDS = 0.5
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def let_signals_end_forked_workers() -> None:
    """A signal to stop ends a forked worker from its first instruction on.

    A fork inherits its parent's handlers, and Python drops what they took before the child's first
    line: a worker that is stopped in that moment would start as if nothing had been said. So the
    signals wait until the child has left those handlers behind.
    """

    def leave_handlers() -> None:
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS),
        after_in_child=leave_handlers,
    )


def when_stopping(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Call `act` in the event loop once a signal to stop has reached this process.

    For the main thread, after the server has set its own handlers in the loop: those are called
    through the loop's wake-up descriptor, whatever handler the process has.
    """
    for each in _STOP_SIGNALS:
        signal.signal(each, lambda *_: loop.call_soon_threadsafe(act))


def stop_with_parent() -> None:
    """Stop this process when the process that started it is gone, however it ended.

    A worker left behind would keep the port and share its traffic with the next server. It stops
    gracefully, but within STOP_SECONDS.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent_pid = parent.pid

    def watch() -> None:
        # Not by parent.join(): its pipe stays open while any later worker lives.
        while os.getppid() == parent_pid:
            sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        sleep(STOP_SECONDS)
        os._exit(1)

    Thread(target=watch, name="parent-watcher", daemon=True).start()
