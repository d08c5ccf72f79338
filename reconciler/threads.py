"""The threads beside the reconciler's passes: started, joined, and missed when one ends early."""

import logging
import time
from collections.abc import Callable
from threading import Thread

log = logging.getLogger(__name__)

END_SECONDS = 5.0
"""How long the end waits for the threads: a comparison can take a minute."""


class Threads:
    """failure: which thread an unexpected error has ended; None: none.

    Nobody takes the work of such a thread over. The process is unhealthy until it is restarted.
    """

    def __init__(self) -> None:
        self.failure: str | None = None
        self._threads: list[Thread] = []

    def start(self, name: str, work: Callable[..., object], *arguments: object) -> None:
        """Do this work in a thread until it ends by itself."""
        thread = Thread(target=self._run, args=(name, work, arguments), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for their end. What takes longer ends with the process, as if it were killed."""
        deadline = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                log.warning("the thread %s has not ended within %g s", thread.name, END_SECONDS)

    def _run(self, name: str, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
        try:
            work(*arguments)
        except Exception as error:
            self.failure = f"the thread {name} has ended: {type(error).__name__}: {error}"
            log.exception("the thread %s has ended: restart the reconciler", name)
