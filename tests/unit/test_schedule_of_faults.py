"""The nemesis is random and repeatable."""

from itertools import islice

from chaos.nemesis import schedule

NAMES = [f"fault {number}" for number in range(30)]


def test_the_same_seed_causes_the_same_faults() -> None:
    assert list(islice(schedule(7, NAMES), 100)) == list(islice(schedule(7, NAMES), 100))
    assert list(islice(schedule(7, NAMES), 100)) != list(islice(schedule(8, NAMES), 100))


def test_every_fault_is_caused_before_any_is_caused_again() -> None:
    first = [incident.faults[0] for incident in islice(schedule(7, NAMES), len(NAMES))]
    assert sorted(first) == sorted(NAMES)
    pairs = [incident.faults for incident in islice(schedule(7, NAMES), 300)]
    assert any(len(pair) == 2 for pair in pairs)
    assert all(len(set(pair)) == len(pair) for pair in pairs)
