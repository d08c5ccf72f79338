"""Causes faults on a schedule that a seed decides, and keeps how long each took to heal."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from random import Random
from statistics import median
from typing import NamedTuple

import psycopg
from confluent_kafka import KafkaException
from redis.exceptions import RedisError

from chaos.faults import Fault
from chaos.recovery import Recovery, await_recovery
from chaos.trial import Trial
from coupons.errors import CouponError

CALM_SECONDS = (0.5, 3.0)
LASTING_SECONDS = (0.5, 6.0)
TWO_AT_ONCE = 0.2

FAILURES = (OSError, AssertionError, CouponError, RedisError, KafkaException, psycopg.Error)
"""Of causing a fault where another one is going on."""

Tell = Callable[[str], None]


class Incident(NamedTuple):
    """Names of the faults that happen together, after how much calm, and for how long (seconds).

    share: 0 to 1, how much of the time that a fault may take beyond its least, where it has a span
    of its own.
    """

    faults: tuple[str, ...]
    calm_s: float
    lasting_s: float
    share: float = 0.0

    def __str__(self) -> str:
        return " and ".join(self.faults)


def schedule(seed: int, names: Sequence[str]) -> Iterator[Incident]:
    """Incidents without end, the same for the same seed; each fault once before any comes again."""
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


def strike(trial: Trial, incident: Incident, tell: Tell) -> Recovery:
    """Cause an incident, heal it, and return how the stack recovered; claims must be going on."""
    faults = [trial.faults[name] for name in incident.faults]
    for fault in faults:
        tell(fault.sentence)
        try:
            fault.cause()
        except FAILURES as error:
            if fault is faults[0]:
                raise
            tell(f"  which the other fault prevents: {type(error).__name__}")
    if lasting := [fault for fault in faults if fault.lasting]:
        time.sleep(max(_seconds(fault, incident, trial.site.session_s) for fault in lasting))
    for fault in faults:
        fault.heal()
    if revived := trial.revive():
        tell(f"  had ended by itself, started again: {', '.join(sorted(revived))}")
    recovery = await_recovery(trial.site.where, trial.history)
    tell(f"  healed, {recovery}")
    if None in recovery:
        trial.complaints.append(f"after {incident}: {recovery}")
    return recovery


def _seconds(fault: Fault, incident: Incident, session_s: int) -> float:
    if fault.sessions is None:
        return incident.lasting_s
    least, most = fault.sessions
    return session_s * (least + incident.share * (most - least))


class Tally:
    """Recoveries by fault; one of two faults at once counts for both together."""

    def __init__(self) -> None:
        self._found: dict[str, list[Recovery]] = defaultdict(list)

    def add(self, incident: Incident, recovery: Recovery) -> None:
        """Keep one."""
        self._found[str(incident) if len(incident.faults) == 1 else "two at once"].append(recovery)

    def table(self) -> str:
        """Fault, times caused, and seconds to recover: p50 and longest."""
        head = f"{'fault':<36} {'times':>5}  {'accepts again (s)':>17}  {'settled (s)':>15}"
        lines = [head, f"{'':<36} {'':>5}  {'p50':>8} {'max':>8}  {'p50':>7} {'max':>7}"]
        for name, found in sorted(self._found.items()):
            accepted, settled = ([_never(each[i]) for each in found] for i in (0, 1))
            lines.append(
                f"{name:<36} {len(found):>5}  {median(accepted):>8.1f} {max(accepted):>8.1f}"
                f"  {median(settled):>7.1f} {max(settled):>7.1f}"
            )
        return "\n".join(lines)


def _never(seconds: float | None) -> float:
    return float("inf") if seconds is None else seconds
