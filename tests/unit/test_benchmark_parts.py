"""Every part that the page lists can be named, and a quick run leaves out what takes minutes."""

import re

import pytest
from click.testing import CliRunner

import benchmarks.__main__ as program
from tests.support.typed import ROOT

PAGE = ROOT / "docs" / "how-to" / "measure.md"
REPORTS = {
    "gate-memory": "report_gate_memory",
    "rebuild": "report_rebuild",
    "archiving": "report_archiving",
    "audience": "report_audience",
    "room": "report_room",
    "retention": "report_retention",
}
"""The parts that need no stack of the program's own, and what measures them."""


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that a run measures, in order; it starts nothing."""
    found: list[str] = []

    def note(part: str) -> object:
        return lambda *_: found.append(part)

    for part, report in REPORTS.items():
        monkeypatch.setattr(program, report, note(part))
    return found


@pytest.mark.parametrize("part", REPORTS)
def test_a_part_that_is_named_is_measured(part: str, measured: list[str]) -> None:
    """And no other."""
    done = CliRunner().invoke(program.main, [part, "--quick"])
    assert done.exit_code == 0, done.output
    assert measured == [part]


def test_the_parts_of_the_page_are_those_of_the_program() -> None:
    typed = re.findall(r"make bench ARGS=\"([^\"]+)\"", PAGE.read_text("utf-8"))
    named = {word for each in typed for word in each.split() if re.fullmatch("[a-z][a-z-]+", word)}
    assert {*REPORTS, "cost"} - {"gate-memory", "rebuild"} <= named
    assert named <= set(program.PARTS)
    assert set(REPORTS) <= set(program.EVERYTHING)
    assert set(REPORTS) - set(program.NOT_QUICK) == {"gate-memory"}
