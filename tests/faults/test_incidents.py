"""Each fault once, during claims: accepted claims stay, and nothing is oversold."""

from collections.abc import Callable

import pytest

from chaos.nemesis import Incident, strike
from chaos.trial import Trial

LASTING_SECONDS = 2.0

INCIDENTS = [
    *("kill postgres", "kill valkey", "kill kafka", "kill registry", "kill connect"),
    *("kill api", "kill api worker", "kill consumer-1", "kill reconciler"),
    *("pause postgres", "pause valkey", "pause kafka", "pause api worker", "pause consumer-1"),
    "pause connect",
    *("redis flushed", "scripts flushed", "redis restored"),
    *("cut api to postgres", "lose answers api to postgres", "lose requests api to postgres"),
    *("silence api to postgres", "lose answers api to redis", "lose answers consumer to postgres"),
    *("lose answers consumer to redis", "backends terminated"),
    *("connector restarted", "task restarted in a batch", "connect killed in a batch"),
    *("rebalance", "consumer-1 fenced", "garbage"),
    *("stop consumer-1 beyond its session", "stop dynamic consumer beyond its session"),
    "stop everything beyond the session",
]
LONG_SECONDS = {"pause connect": 9.0}
"""Longer than Connect's session: its worker loses its group, and must get the connector back."""

SHARE = 0.1
"""Of the time span for a stop beyond the session: about 7 s of 6 to 18."""

OFF_THE_WAY = ("connect", "kafka", "registry", "consumer", "reconciler")
"""No claim needs these: claims are accepted while they are down."""


@pytest.mark.parametrize("fault", INCIDENTS)
def test_claims_survive(trial: Trial, fault: str, found: Callable[[list[str]], str]) -> None:
    with trial.claims():
        lasting = LONG_SECONDS.get(fault, LASTING_SECONDS)
        strike(trial, Incident((fault,), 0.0, lasting, SHARE), print)
    if any(part in fault for part in OFF_THE_WAY):
        failures = {**trial.history.failures(), "overloaded": 0}
        assert not any(failures.values()), f"claims failed: {failures}"
    violations = trial.verdict()
    assert violations == [], found(violations)


def test_claims_survive_two_faults_at_once(trial: Trial, found: Callable[[list[str]], str]) -> None:
    """Redis is flushed while Postgres is down: the rebuild must wait for Postgres."""
    with trial.claims():
        strike(trial, Incident(("kill postgres", "redis flushed"), 0.0, LASTING_SECONDS), print)
    violations = trial.verdict()
    assert violations == [], found(violations)
