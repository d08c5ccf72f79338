"""One minute of random faults; `make chaos` runs the same for any time."""

import time
from collections.abc import Callable

from chaos.nemesis import Tally, schedule, strike
from chaos.trial import Trial

SECONDS = 60.0


def test_claims_survive_a_minute_of_random_faults(
    trial: Trial, seed: int, found: Callable[[list[str]], str]
) -> None:
    print(f"--seed {seed}")
    tally = Tally()
    until = time.monotonic() + SECONDS
    with trial.claims():
        for incident in schedule(seed, list(trial.faults)):
            if time.monotonic() > until:
                break
            time.sleep(incident.calm_s)
            tally.add(incident, strike(trial, incident, print))
    print(tally.table())
    violations = trial.verdict()
    assert violations == [], found(violations)
