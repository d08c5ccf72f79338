"""Work that takes longer than a page may: it runs in the background, and everybody sees how far."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock, Thread

from coupons.errors import CouponError
from monitor.state import now

log = logging.getLogger(__name__)

RUNNING, DONE, FAILED, UNKNOWN = "running", "done", "failed", "unknown"

Notify = Callable[[str], None]
"""Called with how far the work is, in a sentence."""


class WorkFailed(CouponError):
    """The work ended and did not reach its aim. The text says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """what: a sentence. state: running, done, failed, or unknown. says: how far, or the result."""

    who: str
    what: str
    began_at: datetime
    state: str = RUNNING
    says: str = ""
    ended_at: datetime | None = None

    @property
    def is_running(self) -> bool:
        return self.state == RUNNING


class Runs:
    """The last run of one kind; a second one does not begin before it has ended."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._lock = Lock()
        self.last: Run | None = None

    def begin(self, who: str, what: str, work: Callable[[Notify], str]) -> bool:
        """Begin the work in a thread of its own; False: another run is not over.

        work: returns its result as a sentence. It may raise anything.
        """
        with self._lock:
            if self.last is not None and self.last.is_running:
                return False
            self.last = Run(who, what, now())
        Thread(target=self._run, args=(work,), name=self._kind, daemon=True).start()
        return True

    def _run(self, work: Callable[[Notify], str]) -> None:
        try:
            state, says = DONE, work(lambda line: self._set(says=line))
        except CouponError as error:
            state, says = FAILED, str(error).strip()
        except Exception:
            log.exception("%s failed", self._kind)
            state, says = FAILED, "It failed. The monitor's log says why."
        self._set(state=state, says=says, ended_at=now())

    def _set(self, **changes: object) -> None:
        assert self.last is not None
        self.last = replace(self.last, **changes)  # type: ignore[arg-type]
