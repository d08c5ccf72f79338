"""The doctor's findings for the page: it runs beside the page, and only while somebody reads it."""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from math import inf
from threading import Lock, Thread
from typing import NamedTuple

from coupons.endpoints import Endpoints
from operations.doctor.checks import Run, run_checks
from operations.doctor.findings import Finding, Level, verdict
from operations.doctor.system import find_system

log = logging.getLogger(__name__)

PAUSE_SECONDS = 10.0
"""From the end of one run to the begin of the next: it asks every server some twenty things."""
SHORTEST_PAUSE_SECONDS = 1.0
"""When other parts are not well now: parts that come and go do not keep the doctor running."""
KEPT_SECONDS = 30.0
"""An older report is not shown: nobody read the page since, and the system may have changed."""
NOT_HERE = ("parts", "disk")
"""Checks of a machine that the monitor does by itself: processes and disks are on the page."""


class Diagnosis(NamedTuple):
    """What the doctor found, root causes first, and when. failed: why it did not run."""

    findings: Sequence[Finding]
    at: datetime
    failed: str | None = None

    @property
    def verdict(self) -> str:
        """In one sentence."""
        return self.failed or verdict(self.findings)

    @property
    def to_act_on(self) -> list[Finding]:
        """What is not in order and follows from nothing else."""
        return [each for each in self._not_in_order if each.because is None]

    @property
    def following(self) -> list[Finding]:
        """What is not in order because of something else."""
        return [each for each in self._not_in_order if each.because is not None]

    @property
    def in_order(self) -> list[Finding]:
        """What is."""
        return [each for each in self.findings if each.level is Level.OK]

    @property
    def elsewhere(self) -> list[Finding]:
        """What cannot be checked from here."""
        return [each for each in self.findings if each.level is Level.ELSEWHERE]

    @property
    def _not_in_order(self) -> list[Finding]:
        fine = (Level.OK, Level.ELSEWHERE)
        return [each for each in self.findings if each.level not in fine]

    @property
    def is_failing(self) -> bool:
        """Whether something is."""
        return any(each.level is Level.FAILING for each in self.findings)

    @property
    def is_complete(self) -> bool:
        """Whether all was checked."""
        return not self.failed and all(each.level is not Level.UNKNOWN for each in self.findings)


class Doctor:
    """Runs the checks of `coupon doctor`, one run at a time, each in a thread of its own."""

    def __init__(self, where: Endpoints) -> None:
        self._where = where
        self._lock = Lock()
        self._runs = False
        self._ended_s: float | None = None
        self._last: Diagnosis | None = None
        self._not_well_before: frozenset[str] = frozenset()
        self._hanging: dict[str, Run] = {}

    def latest(self, not_well: frozenset[str] = frozenset()) -> Diagnosis | None:
        """The last diagnosis, at once; an old one causes the next run.

        not_well: the parts that are not well now. When they are others than when the last diagnosis
        began, the next one runs after a shorter pause. Until it ends, the last one is shown only if
        nothing but more parts are not well: then what it found is still so. None: nothing is to be
        shown.
        """
        with self._lock:
            age_s = inf if self._ended_s is None else time.monotonic() - self._ended_s
            before = self._not_well_before
            pause_s = PAUSE_SECONDS if not_well == before else SHORTEST_PAUSE_SECONDS
            if not self._runs and age_s > pause_s:
                self._runs = True
                run = partial(self._run, not_well)
                Thread(target=run, name="doctor", daemon=True).start()
            holds = not_well == before or (bool(before) and before < not_well)
            return self._last if holds and age_s <= KEPT_SECONDS else None

    def _run(self, not_well: frozenset[str]) -> None:
        found = _diagnose(self._where, self._hanging)
        with self._lock:
            self._last, self._ended_s, self._runs = found, time.monotonic(), False
            self._not_well_before = not_well


def _diagnose(where: Endpoints, hanging: dict[str, Run]) -> Diagnosis:
    try:
        found = run_checks(find_system(where), hanging=hanging)
    except Exception as error:
        log.warning("the doctor did not run: %s", error)
        return Diagnosis([], datetime.now(UTC), f"The doctor did not run: {error}")
    elsewhere = [each for each in found if each.level is Level.ELSEWHERE]
    known = [each for each in found if each not in elsewhere or each.check not in NOT_HERE]
    return Diagnosis(known, datetime.now(UTC))
