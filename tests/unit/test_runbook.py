"""The doctor and the runbook speak of the same states."""

import re
from pathlib import Path

import pytest

from operations.doctor.findings import Section

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
RUNBOOK = (HOW_TO / "runbook.md").read_text("utf-8")
PAGES = dict(re.findall(r"^### ([^\n]+)\n\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
CHECKS = "\n".join(
    file.read_text("utf-8")
    for file in (ROOT / "operations" / "doctor").glob("*.py")
    if file.name not in ("findings.py", "causes.py")
)


@pytest.mark.parametrize("section", Section)
def test_every_section_that_the_doctor_names_is_in_the_runbook(section: Section) -> None:
    assert section in PAGES


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_the_runbook_is_found_by_a_check(page: str) -> None:
    assert f"Section.{Section(page).name}" in CHECKS


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_what_it_means_how_to_look_and_what_to_type(page: str) -> None:
    assert re.findall(r"^- \*\*(\w+)\*\*", PAGES[page], re.MULTILINE) == ["Means", "Look", "Type"]


def test_no_page_is_left_out() -> None:
    assert set(re.findall(r"^### (.+)$", RUNBOOK, re.MULTILINE)) == set(PAGES)


def test_the_page_on_restoring_has_the_lines_of_the_runbook() -> None:
    typed = re.findall(r"^ *coupon .*$", PAGES[Section.LEDGER_RESTORED], re.MULTILINE)
    assert len(typed) == 6
    restore = (HOW_TO / "restore.md").read_text("utf-8")
    assert [line.strip() for line in typed] == re.findall(r"^coupon .*$", restore, re.MULTILINE)
