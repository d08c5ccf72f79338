"""The page of a running stack: `coupon monitor` signs in; it follows a rush, and names faults."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from coupons.waiting import eventually
from stack.disposable import DisposableStack
from tests.pipeline.people import People
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS
from tests.support.typed import ROOT

FIGURES = ROOT / "docs" / "figures"
LARGEST_BYTES = 150_000
FINAL_MS = FINAL_WITHIN_SECONDS * 1_000
WIDE = {"width": 1240, "height": 800}
PHONE = {"width": 360, "height": 740}


def link(stack: DisposableStack, *options: str) -> str:
    """What `coupon monitor` prints."""
    typed = [sys.executable, "-m", "cli", "monitor", "--state", str(stack.folder.path), *options]
    without_addresses = {
        name: value for name, value in os.environ.items() if not name.startswith("COUPON_")
    }
    done = subprocess.run(
        [*typed, "--json"], cwd=ROOT, env=without_addresses, capture_output=True, check=True
    )
    return str(json.loads(done.stdout)["link"])


def sign_in(browser: Browser, stack: DisposableStack, **options: object) -> Page:
    page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
    page.goto(link(stack))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="The pipeline")).to_be_visible()
    return page


@pytest.fixture
def page(chromium: Browser, stack: DisposableStack) -> Iterator[Page]:
    page = sign_in(chromium, stack, viewport=WIDE)
    yield page
    page.context.close()


def picture(request: pytest.FixtureRequest, page: Page, name: str, **options: object) -> None:
    """Write a picture for the documents, if that was asked for."""
    if request.config.getoption("--screenshots"):
        path = FIGURES / f"{name}.png"
        page.screenshot(path=path, **options)  # type: ignore[arg-type]
        assert path.stat().st_size < LARGEST_BYTES


def is_healthy(page: Page) -> bool:
    """Whether the page says so, or that something needs attention, such as a disk."""
    shown = page.locator(".verdict").get_attribute("class") or ""
    return "ok" in shown.split() or "warning" in shown.split()


def test_it_follows_a_rush(
    stack: DisposableStack, page: Page, chromium: Browser, request: pytest.FixtureRequest
) -> None:
    people = People(stack)
    coupon_id = people.create_coupon(total_quantity=300)
    row = page.locator("tbody tr", has_text=f"{coupon_id} ")
    expect(row).to_contain_text("300", timeout=20_000)
    people.claim_all(coupon_id, range(1, 601), threads=20)
    expect(row.locator("td").nth(4)).to_have_text("300", timeout=FINAL_MS)
    expect(row.locator("td").nth(2)).to_have_text("0")
    expect(page.locator(".answers .large").first).to_have_text("0", timeout=FINAL_MS)
    eventually(lambda: is_healthy(page), 60, "the doctor finds nothing wrong")
    picture(request, page, "page-overview")
    page.goto(page.url.rstrip("/") + f"/requests?coupon={coupon_id}&user=1")
    reached = page.locator(".timeline .state", has_text="reached")
    stages = page.locator(".timeline li")
    if page.get_by_text("no request").count():
        assert "sold out" in page.inner_text("main")
    else:
        assert reached.count() == stages.count() == 5
    picture(request, page, "page-request")
    phone = sign_in(chromium, stack, viewport=PHONE, color_scheme="dark", device_scale_factor=1.5)
    eventually(lambda: is_healthy(phone), 30)
    picture(request, phone, "page-phone")
    phone.context.close()


def test_it_survives_that_redis_is_killed(stack: DisposableStack, page: Page) -> None:
    verdict = page.get_by_role("heading", level=1)
    stack.kill("valkey")
    try:
        expect(verdict).to_contain_text("Redis does not answer", timeout=5_000)
        expect(page.locator(".node", has_text="Gate")).to_contain_text("unknown since")
    finally:
        stack.up()
    expect(verdict).not_to_contain_text("Redis", timeout=FINAL_MS)
    eventually(lambda: is_healthy(page), FINAL_WITHIN_SECONDS)


def test_a_link_that_may_only_look_says_so(stack: DisposableStack) -> None:
    assert "only look" in requests.get(link(stack, "--look"), timeout=5).text
