"""The page of a running stack: `coupon monitor` signs in; it follows a rush, and names faults."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from confluent_kafka import Producer
from playwright.sync_api import Browser, Page, expect

from coupons.change_events import DEAD_LETTER_TOPIC, REQUEST_TOPIC
from coupons.change_events.dead_letter_headers import DeadLetterMetadata, dead_letter_headers
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from tests.pipeline.people import People
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS, Pipeline
from tests.pipeline.test_dead_letters import constraint
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


def sign_in(browser: Browser, stack: DisposableStack, *typed: str, **options: object) -> Page:
    page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
    page.goto(link(stack, *typed))
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
    row = page.locator("tbody tr", has_text=re.compile(rf"^\s*{coupon_id} T\b"))
    expect(row).to_contain_text("300")
    people.claim_all(coupon_id, range(1, 601), threads=20)
    expect(row.locator("td").nth(4)).to_have_text("300", timeout=FINAL_MS)
    expect(row.locator("td").nth(2)).to_have_text("0")
    expect(page.locator(".answers .large").first).to_have_text("0", timeout=FINAL_MS)
    eventually(lambda: is_healthy(page), 60, "the doctor finds nothing wrong")
    picture(request, page, "page-overview")
    page.goto(page.url.rstrip("/") + f"/requests?coupon={coupon_id}&user=1")
    reached = page.locator(".timeline .state", has_text="reached")
    stages = page.locator(".timeline li")

    def is_told() -> bool:
        """A part that did not answer in time is named as unknown."""
        page.reload()
        if page.get_by_text("no request").count():
            return "sold out" in page.inner_text("main")
        return reached.count() == stages.count() == 5

    eventually(is_told, 60, "the page tells what became of the request")
    picture(request, page, "page-request")
    phone = sign_in(chromium, stack, viewport=PHONE, color_scheme="dark", device_scale_factor=1.5)
    eventually(lambda: is_healthy(phone), 30)
    picture(request, phone, "page-phone")
    phone.context.close()


def test_a_coupon_is_paused_changed_and_the_connector_restarted(
    stack: DisposableStack, page: Page, request: pytest.FixtureRequest
) -> None:
    people = People(stack)
    coupon_id = people.create_coupon(total_quantity=300)
    people.claim_all(coupon_id, range(1, 121), threads=20)
    root = page.url.rstrip("/")
    page.goto(f"{root}/coupons/{coupon_id}")
    issued = page.locator("tbody tr", has_text="issued").first.locator("td").first
    expect(issued).to_have_text("120", timeout=FINAL_MS)
    picture(request, page, "page-coupon")
    page.get_by_role("link", name="Pause").click()
    expect(page.locator("main")).to_contain_text("180 of 300 are left")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".done")).to_contain_text("it is paused")
    page.get_by_role("link", name="Change the stock").click()
    page.get_by_label("New stock").fill("400")
    page.get_by_role("button", name="Show the effect").click()
    expect(page.locator("main")).to_contain_text("280 are left then, instead of 180")
    page.get_by_role("button", name="Set the stock to 400").click()
    expect(page.locator(".answers .large").first).to_have_text("280")
    page.goto(f"{root}/stream/restart")
    page.get_by_role("button", name="Restart").click()
    expect(page.locator(".done")).to_contain_text("restarts the connector")
    expect(page.locator(".facts dd").first).to_have_text("RUNNING", timeout=FINAL_MS)
    page.goto(f"{root}/stream/recover")
    page.get_by_role("button", name="Check").click()
    no_gap = "gap: none, the stream resumes where it stopped"
    expect(page.locator("#live")).to_contain_text(no_gap, timeout=FINAL_MS)
    page.goto(f"{root}/stream/rebuild?coupon={coupon_id}")
    page.get_by_role("button", name="Rebuild").click()
    expect(page.locator("#live")).to_contain_text("rebuilt with 120 requests", timeout=FINAL_MS)
    page.goto(f"{root}/audit")
    for said in ("rebuild gate", "restart connector", "stock: 300 -> 400", "state: open -> paused"):
        expect(page.locator("tbody")).to_contain_text(said)
    picture(request, page, "page-audit")


def test_it_survives_that_redis_is_killed(stack: DisposableStack, page: Page) -> None:
    verdict = page.get_by_role("heading", level=1)
    stack.kill("valkey")
    try:
        expect(verdict).to_contain_text("Redis cannot be read")
        expect(page.locator(".node", has_text="Gate")).to_contain_text("unknown since")
    finally:
        stack.up()
    expect(verdict).not_to_contain_text("Redis", timeout=FINAL_MS)
    eventually(lambda: is_healthy(page), FINAL_WITHIN_SECONDS)


EVIL = "<script>alert(1)</script>"


def write_letter(stack: DisposableStack, value: bytes) -> str:
    """A dead letter that says evil things; its position."""
    metadata = DeadLetterMetadata(REQUEST_TOPIC, 0, 10**15, 0, EVIL, EVIL * 30, 1, "of a test")
    headers = dead_letter_headers(metadata, [(EVIL, EVIL)])
    written: list[str] = []
    producer = Producer({"bootstrap.servers": stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]})

    def delivered(error: object, record: Any) -> None:
        assert error is None
        written.append(f"{record.partition()}:{record.offset()}")

    producer.produce(DEAD_LETTER_TOPIC, value, b"k", headers=headers, on_delivery=delivered)
    assert producer.flush(30) == 0
    return written[0]


def offers_nothing(page: Page) -> None:
    """The page of a dead letter on which somebody has acted."""
    expect(page.locator("main")).to_contain_text("Nobody has to act on it")
    for name in ("Write back", "Discard"):
        assert page.get_by_role("link", name=name).count() == 0


def test_a_dead_letter_is_written_back_and_its_request_is_final(
    stack: DisposableStack, page: Page, pipeline: Pipeline
) -> None:
    coupon_id = pipeline.coupon.coupon_id
    root = page.url.rstrip("/")
    listed = f"{root}/dead-letters?coupon={coupon_id}"
    with constraint(stack, f"coupon_id <> {coupon_id} OR user_id <> 2"):
        pipeline.request([1, 2, 3])
        eventually(lambda: page.goto(listed) and page.locator("tbody tr").count() == 1, 60)
    page.locator("tbody th a").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(": open")
    page.get_by_role("link", name="Write back").click()
    expect(page.get_by_text("The record is written to")).to_be_visible()
    # Somebody else has the same page open.
    other = page.context.new_page()
    other.goto(page.url)
    page.get_by_role("button", name="Write back").click()
    expect(page.locator(".done")).to_contain_text("written: ")
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    offers_nothing(page)
    confirmation = other.url
    other.get_by_role("button", name="Write back").click()
    expect(other.get_by_role("status")).to_contain_text("skipped: resolved")
    other.goto(confirmation)
    expect(other.get_by_role("alert")).to_contain_text("is ISSUED")
    assert other.get_by_role("button", name="Write back").count() == 0
    page.goto(listed)
    expect(page.get_by_text("There are none that match")).to_be_visible()


def test_a_large_dead_letter_of_anything_is_shown_in_bounds_and_discarded(
    stack: DisposableStack, page: Page, chromium: Browser
) -> None:
    position = write_letter(stack, bytes(range(256)) * 3_800)
    root = page.url.rstrip("/")
    address = f"{root}/dead-letters/{position}"
    page.goto(address)
    assert len(page.content()) < 30_000
    assert "972,544 bytes more, of 972,800" in page.inner_text("main")
    assert EVIL in page.inner_text("main")
    assert page.locator("main script").count() == 0
    page.goto(f"{root}/dead-letters")
    link_of = page.get_by_role("link", name=position, exact=True)
    expect(page.locator("tbody tr", has=link_of)).to_contain_text(EVIL)
    page.goto(f"{address}/discard")
    form = page.locator("input[name=csrf_token]").last.input_value()
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    for fields, status in (
        ({"reason": "x"}, 400),
        ({"csrf_token": form}, 400),
        ({"csrf_token": form, "reason": "  "}, 400),
        ({"csrf_token": form, "reason": "x" * 501}, 400),
    ):
        answer = requests.post(f"{address}/discard", data=fields, cookies=cookies, timeout=20)
        assert answer.status_code == status
    looker = sign_in(chromium, stack, "--look")
    looker.goto(address)
    assert looker.get_by_role("link", name="Discard").count() == 0
    looker.goto(f"{address}/discard")
    expect(looker.get_by_text("You may only look")).to_be_visible()
    looker.context.close()
    page.get_by_label("Why nothing more").fill(f"of a test {EVIL}")
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(".done")).to_contain_text("discarded: ")
    expect(page.get_by_role("heading", level=1)).to_contain_text(": discarded")
    expect(page.locator("main")).to_contain_text(f"discard discarded, of a test {EVIL}")
    offers_nothing(page)
    for action, button in (("replay", "Write back"), ("discard", "Discard")):
        page.goto(f"{address}/{action}")
        expect(page.get_by_role("alert")).to_contain_text("discarded")
        assert page.get_by_role("button", name=button).count() == 0


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/dead-letters/0:999999", 404, "there is no dead letter 0:999999"),
        ("/dead-letters/%3Cscript%3E", 404, "a dead letter is named PARTITION:OFFSET"),
        ("/dead-letters/0:999999/replay", 404, "there is no dead letter"),
        ("/dead-letters?state=nope", 400, "no such state"),
        ("/dead-letters?coupon=x", 400, "is not the id of a coupon"),
        ("/dead-letters?state=all&error=nope", 200, "There are none that match"),
    ],
)
def test_a_dead_letter_that_is_not_there(page: Page, path: str, status: int, says: str) -> None:
    answer = page.goto(page.url.rstrip("/") + path)
    assert answer is not None
    assert answer.status == status
    expect(page.locator("main")).to_contain_text(says)


def test_a_link_that_may_only_look_says_so(stack: DisposableStack) -> None:
    assert "only look" in requests.get(link(stack, "--look"), timeout=5).text
