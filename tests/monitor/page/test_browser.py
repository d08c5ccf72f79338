"""The page in a browser: it updates by itself, says when it is stale, and everybody can use it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from coupons.gate import Gate
from monitor.page import diagnosis
from monitor.page.overview_views import REFRESH_SECONDS
from tests.monitor.page.conftest import Serve, Served, code
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon
from tests.support.servers import ValkeyServer

AXE = Path(__file__).with_name("axe.min.js").read_text("utf-8")
PHONE = {"width": 360, "height": 740}
POLICY = "Content Security Policy"
SERIOUS = ("serious", "critical")

Open = Callable[..., Page]


@pytest.fixture
def shop(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=20, name="Summer sale"))


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Opens pages of somebody who is signed in; fails if a policy or an error stops a script."""
    contexts = []
    complaints: list[str] = []

    def opened(served: Served, path: str = "/", **options: Any) -> Page:
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.extend([said.text] * (POLICY in said.text)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{served.url}/sign-in/{code(acts=True)}")
        page.get_by_role("button", name="Sign in").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.goto(served.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def faults(page: Page) -> list[str]:
    """What axe finds that keeps people from using the page."""
    # The policy of the page forbids scripts of others; a debugger's are not.
    page.evaluate(AXE)
    found = page.evaluate("() => axe.run()")
    return [
        f"{each['id']} ({each['impact']}): {json.dumps(each['nodes'][0]['html'])}"
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]


def test_it_updates_while_claims_arrive(served: Served, shop: Shop, open_page: Open) -> None:
    page = open_page(served)
    accepted = page.locator(".node", has_text="Ledger").locator("dd").first
    shop.accept(1, 2)
    expect(accepted).to_have_text("2", timeout=10_000)
    shop.accept(3)
    expect(accepted).to_have_text("3", timeout=10_000)
    expect(page.locator("#stale")).to_be_hidden()


def test_it_is_refreshed_more_often_while_the_doctor_checks(
    serve: Serve, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A doctor that takes as long as the test wants."""
    ended = Event()
    monkeypatch.setattr(diagnosis, "run_checks", lambda _system, hanging: not ended.wait(60) or [])
    page = open_page(serve())
    checking = page.get_by_text("It is checking")
    expect(checking).to_be_visible()
    began = monotonic()
    for _ in range(6):
        page.wait_for_event("response", lambda response: response.url.endswith("/live"))
    assert monotonic() - began < 6 * REFRESH_SECONDS / 2
    ended.set()
    expect(page.get_by_text("Checked at")).to_be_visible(timeout=10_000)
    expect(checking).to_have_count(0)


def test_an_update_keeps_the_focus_and_what_was_opened(served: Served, open_page: Open) -> None:
    page = open_page(served)
    details = page.locator("details#in-order")
    details.locator("summary").press("Enter")
    expect(details).to_have_attribute("open", "")
    time = page.locator(".verdict time")
    before = time.inner_text()
    expect(time).not_to_have_text(before, timeout=10_000)
    expect(details).to_have_attribute("open", "")
    expect(details.locator("summary")).to_be_focused()


def test_it_survives_that_redis_is_killed(
    serve: Serve, own_valkey: ValkeyServer, open_page: Open
) -> None:
    page = open_page(serve(redis_url=own_valkey.url))
    redis = page.locator(".parts li", has_text="Redis")
    expect(redis.locator(".state")).to_have_text("ok", timeout=10_000)
    own_valkey.kill()
    expect(redis.locator(".state")).to_have_text("unknown", timeout=5_000)
    expect(redis).to_contain_text("unknown since")
    expect(page.locator(".node", has_text="Gate")).to_contain_text("unknown since")
    own_valkey.start()
    expect(redis.locator(".state")).to_have_text("ok", timeout=10_000)


def test_it_says_since_when_it_is_stale(serve: Serve, open_page: Open) -> None:
    served = serve()
    page = open_page(served)
    expect(page.locator("#live")).to_be_visible()
    served.stop()
    expect(page.locator("#stale")).to_contain_text("Stale since", timeout=15_000)
    expect(page.locator("#live")).to_have_class("is-stale")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 900}])
def test_nothing_keeps_people_from_using_it(
    served: Served, shop: Shop, open_page: Open, scheme: str, viewport: dict[str, int]
) -> None:
    shop.accept(1, 2)
    shop.issue(1)
    page = open_page(served, color_scheme=scheme, viewport=viewport)
    expect(page.locator(".findings").first).to_be_visible(timeout=30_000)
    one = f"/requests?coupon={shop.coupon_id}&user=1"
    coupon = f"/coupons/{shop.coupon_id}"
    pages = ("/coupons", "/coupons?state=x", coupon, f"{coupon}/pause", f"{coupon}/stock?total=30")
    letters = ("/dead-letters", "/dead-letters?state=x", "/dead-letters/0:1")
    stream = ("/stream", "/stream/restart", "/stream/rebuild?coupon=all", "/stream/recover")
    rest = ("/audit", *stream)
    for path in ("/", "/requests", one, "/requests?user=x", *pages, *letters, *rest):
        page.goto(served.url + path)
        assert faults(page) == []
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= viewport["width"], f"{path} is {wide} wide"


def test_it_can_be_read_without_javascript(served: Served, shop: Shop, open_page: Open) -> None:
    shop.accept(1)
    page = open_page(served, java_script_enabled=False)
    expect(page.get_by_role("heading", name="The pipeline")).to_be_visible()
    page.goto(f"{served.url}/requests?coupon={shop.coupon_id}&user=1")
    expect(page.locator(".timeline li").first).to_contain_text("admitted")


def test_a_coupon_is_paused_by_keyboard_and_its_page_updates(
    served: Served, shop: Shop, open_page: Open
) -> None:
    page = open_page(served, f"/coupons/{shop.coupon_id}")
    shop.accept(1, 2)
    left = page.locator(".answers .large").first
    expect(left).to_have_text("18", timeout=10_000)
    page.get_by_role("link", name="Pause").press("Enter")
    expect(page.locator("main")).to_contain_text("18 of 20 are left")
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.locator(".done")).to_contain_text("it is paused")
    assert shop.admit(3) == []
    expect(page.locator("#live")).to_contain_text("A claim gets now: paused", timeout=10_000)
    page.get_by_role("link", name="Audit").press("Enter")
    expect(page.locator("tbody tr").first).to_contain_text("state: open -> paused")
