"""How a worker process learns that it has to stop."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from threading import Thread
from time import sleep

STOP_SECONDS = 10
CHECK_SECONDS = 0.5
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def let_signals_end_forked_workers() -> None:
    """Let a stop signal end a forked worker from its first instruction on.

    A fork inherits its parent's handlers, and Python drops the signals that they received before
    the child's first line. A worker that is stopped at that moment would start all the same. So
    the signals are blocked until the child has reset the handlers.
    """

    def reset_handlers() -> None:
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS),
        after_in_child=reset_handlers,
    )


def when_stopping(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Call `act` in the event loop when this process gets a stop signal.

    Call this in the main thread, after the server has set its own handlers in the loop. Those still
    run, through the loop's wake-up descriptor.
    """
    for each in _STOP_SIGNALS:
        signal.signal(each, lambda *_: loop.call_soon_threadsafe(act))


def stop_with_parent() -> None:
    """Stop this process when its parent process has ended, for whatever reason.

    A worker that stays would keep the port and share its traffic with the next server. It stops
    gracefully, within STOP_SECONDS.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent_pid = parent.pid

    def watch() -> None:
        # parent.join() is no help: its pipe stays open as long as any later worker runs.
        while os.getppid() == parent_pid:
            sleep(CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        sleep(STOP_SECONDS)
        os._exit(1)

    Thread(target=watch, name="parent-watcher", daemon=True).start()
