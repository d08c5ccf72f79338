"""`python -m chaos.drill`: which state it causes, and when it says that a drill is over."""

import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chaos.drill import __main__ as command
from chaos.drill.catalogue import NOT_CAUSED, STATES
from chaos.drill.detection import PARTS, Detection, is_named
from chaos.drill.detection_table import DOCUMENT, MARK, misses, row, save, table
from chaos.drill.exercise import is_over
from chaos.drill.page import MonitorPage
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


def test_a_part_is_named_by_its_own_sentence() -> None:
    found = [finding("failing", "Kafka is down", "kafka is stopped: signal 9", "parts")]
    assert [part.name for part in PARTS if is_named(found, part)] == ["kafka"]


def test_a_row_of_the_table_says_what_was_measured_and_marks_what_took_too_long() -> None:
    found = Detection(PARTS[0], 1.26, 5.11, 3.0, 41.4, 0.5)
    assert row(found) == "| api | 1.3 | **5.1** | 3.0 | 41.4 | `CouponApiMissing` | 0.5 |"
    gone = Detection(PARTS[-1], None, None, 3.0, 61.0, 12.0)
    assert row(gone) == "| monitor | - | - | 3.0 | **61.0** | `CouponMonitorMissing` | 12.0 |"
    assert (misses([found]), misses([found, gone])) == (1, 2)


def test_the_table_is_written_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"before\n{MARK}of the last run\n{MARK}after\n")
    save(table([Detection(PARTS[0], 1.0, 1.0, 1.0, 1.0, 0.0)]), document)
    before, written, after = document.read_text().split(MARK)
    assert (before, after) == ("before\n", "after\n")
    assert "| api | 1.0 |" in written
    assert "of the last run" not in written
    assert DOCUMENT.read_text("utf-8").count(MARK) == 2


def test_a_part_of_the_page_is_known_by_the_lines_of_its_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A list further down has every part, also those that are well."""
    live = (
        "<section><h1>Redis does not answer</h1><ul><li>Redis 127.0.0.1:6379: unknown since"
        " 12:00:00 UTC</li></ul></section><section><li>Kafka 127.0.0.1:9092: well</li></section>"
    )
    page = MonitorPage.__new__(MonitorPage)
    monkeypatch.setattr(page, "read", lambda _: live)
    assert [part.name for part in PARTS if part.shown_as and page.names_part(part.shown_as)] == [
        "valkey"
    ]
