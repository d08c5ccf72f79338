"""The doctor and the runbook speak of the same states."""

import re
from pathlib import Path

import pytest

from ops.doctor.findings import Section

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text("utf-8")
PAGES = dict(re.findall(r"^### (.+)\n\n((?:.+\n)+)", RUNBOOK, re.MULTILINE))


@pytest.mark.parametrize("section", Section)
def test_every_section_that_the_doctor_names_is_in_the_runbook(section: Section) -> None:
    assert section in PAGES


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_what_it_means_how_to_look_and_what_to_type(page: str) -> None:
    assert re.findall(r"^- \*\*(\w+)\*\*", PAGES[page], re.MULTILINE) == ["Means", "Look", "Type"]


def test_no_page_is_left_out() -> None:
    assert set(re.findall(r"^### (.+)$", RUNBOOK, re.MULTILINE)) == set(PAGES)
