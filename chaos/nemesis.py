"""Causes faults on a schedule that a seed decides, and collects the recovery times."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from random import Random
from statistics import median
from typing import NamedTuple

import psycopg
from confluent_kafka import KafkaException
from redis.exceptions import RedisError

from chaos.faults.fault import Fault
from chaos.history import Disturbance
from chaos.recovery import Recovery, await_recovery
from chaos.trial import Trial
from coupons.errors import CouponError

CALM_SECONDS = (0.5, 3.0)
LASTING_SECONDS = (0.5, 6.0)
TWO_AT_ONCE = 0.2

FAILURES = (OSError, AssertionError, CouponError, RedisError, KafkaException, psycopg.Error)
"""Errors of causing a fault while another one lasts."""

Print = Callable[[str], None]
"""Prints a line of progress."""


class Incident(NamedTuple):
    """Faults that happen together, by name.

    calm_s: seconds before them. lasting_s: how many seconds they last. share: for a fault with its
    own span of time, which part of the span it lasts: 0 is the minimum, 1 the maximum.
    """

    faults: tuple[str, ...]
    calm_s: float
    lasting_s: float
    share: float = 0.0

    def __str__(self) -> str:
        return " and ".join(self.faults)


def schedule(seed: int, names: Sequence[str]) -> Iterator[Incident]:
    """Endless incidents, the same for the same seed; every fault once before one is repeated."""
    rng = Random(seed)
    while True:
        for name in rng.sample(names, len(names)):
            others = [each for each in names if each != name]
            second = (rng.choice(others),) if others and rng.random() < TWO_AT_ONCE else ()
            yield Incident(
                (name, *second),
                rng.uniform(*CALM_SECONDS),
                rng.uniform(*LASTING_SECONDS),
                rng.random(),
            )


def strike(trial: Trial, incident: Incident, log: Print) -> Recovery:
    """Cause an incident, heal it, and wait for the recovery; claims must be going on."""
    faults = [trial.faults[name] for name in incident.faults]
    began = time.monotonic()
    for fault in faults:
        log(fault.sentence)
        try:
            fault.cause()
        except FAILURES as error:
            if fault is faults[0]:
                raise
            log(f"  not possible during the other fault: {type(error).__name__}")
    if lasting := [fault for fault in faults if fault.lasting]:
        time.sleep(max(_seconds(fault, incident, trial.target.session_s) for fault in lasting))
    for fault in faults:
        fault.heal()
    if revived := trial.revive():
        log(f"  ended unexpectedly, started again: {', '.join(sorted(revived))}")
    recovery = await_recovery(trial.target.where, trial.history)
    trial.history.disturbances.append(Disturbance(incident.faults, began, time.monotonic()))
    log(f"  healed; {recovery}")
    if None in recovery:
        trial.complaints.append(f"after {incident}: {recovery}")
    return recovery


def cause_incidents(
    trial: Trial, incidents: Iterator[Incident], until: float, tally: "Tally", log: Print
) -> None:
    """One incident after the other, each after its calm, while time.monotonic() is before until."""
    while time.monotonic() < until:
        incident = next(incidents)
        time.sleep(incident.calm_s)
        tally.add(incident, strike(trial, incident, log))


def _seconds(fault: Fault, incident: Incident, session_s: int) -> float:
    if fault.sessions is None:
        return incident.lasting_s
    least, most = fault.sessions
    return session_s * (least + incident.share * (most - least))


class Tally:
    """Recoveries by fault; incidents of two faults are counted together, as "two at once"."""

    def __init__(self) -> None:
        self._found: dict[str, list[Recovery]] = defaultdict(list)

    def add(self, incident: Incident, recovery: Recovery) -> None:
        """Add a recovery."""
        self._found[str(incident) if len(incident.faults) == 1 else "two at once"].append(recovery)

    def table(self) -> str:
        """A text table: fault, how often, and seconds to recover (p50 and maximum)."""
        head = f"{'fault':<42} {'count':>5}  {'accepted (s)':>17}  {'settled (s)':>15}"
        lines = [head, f"{'':<42} {'':>5}  {'p50':>8} {'max':>8}  {'p50':>7} {'max':>7}"]
        for name, found in sorted(self._found.items()):
            accepted, settled = ([_or_infinite(each[i]) for each in found] for i in (0, 1))
            lines.append(
                f"{name:<42} {len(found):>5}  {median(accepted):>8.1f} {max(accepted):>8.1f}"
                f"  {median(settled):>7.1f} {max(settled):>7.1f}"
            )
        return "\n".join(lines)


def _or_infinite(seconds: float | None) -> float:
    return float("inf") if seconds is None else seconds
