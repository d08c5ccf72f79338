"""`python -m chaos.drill`: which state it causes, and when it says that a drill is over."""

import random
from typing import Any

import pytest
from click.testing import CliRunner

from chaos.drill import __main__ as command
from chaos.drill.catalogue import NOT_CAUSED, STATES
from chaos.drill.detection import PARTS, Detection, is_named, is_shown, row
from chaos.drill.exercise import is_over
from operations.doctor.findings import Section

DEAD = "Dead letters are open"


def finding(level: str, section: str | None, says: str = "", check: str = "a check") -> Any:
    return {"level": level, "section": section, "says": says, "check": check}


@pytest.fixture
def drilled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The states that the command causes; there is no stack."""
    states: list[str] = []

    def note(name: str, _limit_s: float) -> bool:
        states.append(name)
        return True

    monkeypatch.setattr(command, "_drill", note)
    return states


def test_the_same_seed_causes_the_same_state(drilled: list[str]) -> None:
    for seed in (7, 7, 8):
        assert CliRunner().invoke(command.main, ["--seed", str(seed)]).exit_code == 0
    assert drilled == [random.Random(seed).choice(list(STATES)) for seed in (7, 7, 8)]


def test_a_state_is_chosen_by_its_heading(drilled: list[str]) -> None:
    assert CliRunner().invoke(command.main, ["--state", "kafka is DOWN"]).exit_code == 0
    assert drilled == ["Kafka is down"]


@pytest.mark.parametrize(
    ("state", "says"),
    [("Kafka is up", "see --list"), ("the disk is full", NOT_CAUSED[Section.DISK_FULL][:30])],
)
def test_a_state_that_no_drill_causes_is_refused(drilled: list[str], state: str, says: str) -> None:
    done = CliRunner().invoke(command.main, ["--state", state])
    assert (done.exit_code, drilled) == (2, [])
    assert says in " ".join(done.output.split())


def test_the_list_has_every_state_and_every_reason() -> None:
    printed = CliRunner().invoke(command.main, ["--list"]).output
    assert [name for name in [*STATES, *NOT_CAUSED.values()] if name not in printed] == []


def test_a_drill_is_over_when_nothing_is_left_of_its_state() -> None:
    letters = STATES[DEAD]
    kafka = STATES["Kafka is down"]
    warning = [finding("warning", DEAD), finding("ok", None)]
    assert not is_over(warning, letters)
    assert is_over(warning, kafka)  # it is told as missed
    assert not is_over([finding("unknown", "Connect is down")], kafka)
    assert is_over([finding("ok", None)], letters)


def test_a_state_is_named_by_its_root_cause_first() -> None:
    state = STATES["The gate is unavailable"]
    gate = finding("failing", "The gate is unavailable", "it is unavailable for 1 of 1 coupons")
    reconciler = finding("failing", "The reconciler is down", "none is active")
    assert state.is_named([reconciler, gate])
    assert not state.is_named([gate, reconciler])
    assert not state.is_named([reconciler])
    assert not state.is_named([])


def test_a_part_is_shown_as_unknown_by_its_process_or_its_source() -> None:
    process = {"part": "api", "known": True}
    state = {"processes": [process], "sources": {"redis": {"known": False}}}
    shown = {part.name: is_shown(state, part) for part in PARTS}
    assert shown == {part.name: part.name == "valkey" for part in PARTS}
    process["known"] = False
    assert is_shown(state, PARTS[0])


def test_a_part_is_named_by_its_own_sentence() -> None:
    found = [finding("failing", "Kafka is down", "kafka is stopped: signal 9", "parts")]
    assert [part.name for part in PARTS if is_named(found, part)] == ["kafka"]


def test_a_row_of_the_table_says_what_was_measured() -> None:
    found = Detection(PARTS[0], 1.26, 3.0, 41.4)
    assert row(found) == "| api | 1.3 | 3.0 | 41 | `CouponApiMissing` |"
    assert found.is_within_limits
    assert not found._replace(doctor_s=5.1).is_within_limits
