"""One minute of random faults; `make chaos` runs the same for any time."""

import time
from collections.abc import Callable

from chaos.nemesis import Tally, cause_incidents, schedule
from chaos.trial import Trial

SECONDS = 60.0


def test_claims_survive_a_minute_of_random_faults(
    trial: Trial, seed: int, found: Callable[[list[str]], str]
) -> None:
    print(f"--seed {seed}")
    tally = Tally()
    incidents = schedule(seed, list(trial.faults))
    with trial.claims():
        cause_incidents(trial, incidents, time.monotonic() + SECONDS, tally, print)
    print(tally.table())
    violations = trial.verdict()
    assert violations == [], found(violations)
