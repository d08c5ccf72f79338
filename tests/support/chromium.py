"""A headless Chromium of the machine."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-lcd-text",  # pictures without colours at the edges of letters are half as large
)


SHOWN_WITHIN_MS = 30_000
"""For what a page shows: some actions start a client of Kafka, which takes seconds when it is busy.

Chromium's client allows 5 s by default.
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Started once for a module. It never asks another machine for anything.

    Not once for the run: its client keeps an event loop running in this thread, in which no test
    could run another one.
    """
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium on this machine (Debian: apt-get install chromium)")
    expect.set_options(timeout=SHOWN_WITHIN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_QUIET))
        yield browser
        browser.close()
