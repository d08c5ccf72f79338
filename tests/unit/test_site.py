"""The site of the documents is whole, and loads nothing from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from operations.doctor.findings import Section
from tests.support.typed import ROOT

LOADING = {"audio", "embed", "iframe", "img", "link", "object", "script", "source", "video"}
NOT_LOADED = {"canonical", "license", "next", "prev"}
"""Values of `rel` that a browser does not fetch."""


def build(settings: Path, site: Path) -> subprocess.CompletedProcess[str]:
    # Not --quiet: that keeps warnings from being counted.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(
        [*command, "--config-file", settings, "--site-dir", site],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the site was built, with every link and anchor checked."""
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stderr
    return folder


class Loaded(HTMLParser):
    """What a page has a browser load, and the names of its parts."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.anchors.add(given.get("id", ""))
        if tag in LOADING and given.get("rel") not in NOT_LOADED:
            self.addresses += [given[name] for name in ("src", "href", "data") if name in given]


def is_elsewhere(address: str) -> bool:
    return bool(re.match(r"(?:[a-z]+:)?//", address))


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    loaded = {address for page in pages for address in Loaded(page).addresses}
    assert len(loaded) > 20
    assert {address for address in loaded if is_elsewhere(address)} == set()


def test_no_style_or_figure_loads_anything_from_elsewhere(site: Path) -> None:
    files = [file for file in site.rglob("*") if file.suffix in {".css", ".svg"}]
    found = {
        (file.name, address)
        for file in files
        for address in re.findall(
            r"""(?:@import|url\(|\b(?:xlink:)?href=)\s*["']?([^"')\s]+)""", file.read_text("utf-8")
        )
        if is_elsewhere(address)
    }
    assert found == set()


def test_search_works_from_a_folder(site: Path) -> None:
    """The index is a script, and the search runs without a Worker."""
    index = (site / "search" / "search_index.js").read_text("utf-8")
    assert index.startswith("var __index = ")
    assert "The consumer is down" in index
    assert any("iframe-worker" in each for each in Loaded(site / "index.html").addresses)


def test_every_state_of_the_runbook_can_be_linked(site: Path) -> None:
    anchors = Loaded(site / "how-to" / "runbook.html").anchors
    named = {re.sub(r"[^a-z0-9]+", "-", state.lower().replace("'", "")): state for state in Section}
    assert {state for anchor, state in named.items() if anchor not in anchors} == set()


def test_links_that_lead_nowhere_fail_the_build(tmp_path: Path) -> None:
    """To a page, to a heading, and by an address of the site."""
    ignored = shutil.ignore_patterns("__pycache__", "make")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=ignored)
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    page = tmp_path / "docs" / "how-to" / "scale.md"
    targets = ("nothing.md", "runbook.md#nothing", "/nothing.html")
    links = "\n".join(f"[a link]({target})" for target in targets)
    page.write_text(f"{page.read_text('utf-8')}\n{links}\n", "utf-8")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode == 1
    assert [target for target in targets if f"'{target}'" not in done.stderr] == []
