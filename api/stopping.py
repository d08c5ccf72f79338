"""How a worker process learns that it has to stop."""

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from threading import Thread
from time import sleep

STOP_SECONDS = 10
LOOK_SECONDS = 0.5


def when_stopping(act: Callable[[], None]) -> None:
    """Call `act` once a signal has reached this process, besides what its handler does.

    For the main thread. Needed because the server sets its own handlers after the application is
    made.
    """
    told, teller = socket.socketpair()
    teller.setblocking(False)
    signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        # Also keeps both ends open as long as the process lives.
        while teller.fileno() >= 0 and told.recv(1):
            act()

    Thread(target=listen, name="stop-listener", daemon=True).start()


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
