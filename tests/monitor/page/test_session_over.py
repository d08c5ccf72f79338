"""A session that is over: the page says so, and nothing that was typed is lost silently."""

import re
import time
from collections.abc import Callable
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Browser, Page, expect

from coupons.gate import Gate
from monitor.page.sign_in import SESSION_SECONDS
from tests.monitor.page.conftest import Operator, Served, code
from tests.monitor.page.words import text_of
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

REASON = "the user was <b>told</b>, & has one"
DISCARD = "/dead-letters/0:1/discard"
EndSessions = Callable[[], None]


@pytest.fixture
def shop(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=20))


@pytest.fixture
def end_sessions(monkeypatch: pytest.MonkeyPatch) -> EndSessions:
    """Lets so much time pass that every session ends; afterwards one can sign in."""
    now_s = time.time
    return lambda: monkeypatch.setattr(time, "time", lambda: now_s() + SESSION_SECONDS + 1)


def sign_in_again(operator: Operator) -> str:
    """Where that leads."""
    one = code(acts=True)
    token = operator.get(f"/sign-in/{one}").csrf_token
    return operator.post("/sign-in", csrf_token=token, code=one).headers["Location"]


def test_a_page_leads_to_the_sign_in_and_that_back_to_it(
    served: Served, end_sessions: EndSessions
) -> None:
    operator = served.operator(acts=True)
    end_sessions()
    answer = operator.get("/coupons?q=a%26b&state=open")
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
    said = text_of(operator.get("/sign-in"))
    assert "Sign in again Your session is over. Type coupon monitor" in said
    # What a page loads again and again is not where somebody wants to go.
    refreshed = operator.get("/coupons/1/live", **{"HX-Request": "true"})
    assert (refreshed.status, refreshed.text) == (401, "")
    assert sign_in_again(operator) == "/coupons?q=a%26b&state=open"
    assert "Your session is over" not in text_of(served.browser().get("/sign-in"))


def test_a_form_that_was_sent_is_shown_and_filled_in_again(
    served: Served, end_sessions: EndSessions
) -> None:
    operator = served.operator(acts=True)
    token = operator.get("/").csrf_token
    end_sessions()
    answer = operator.post(DISCARD, csrf_token=token, reason=REASON)
    assert answer.status == 401
    assert "Nothing was done: you are not signed in any more." in text_of(answer)
    assert f"reason {REASON}" in text_of(answer)
    assert "<b>told" not in answer.text
    assert token not in answer.text
    assert sign_in_again(operator) == f"{DISCARD}?reason={quote_plus(REASON)}"


@pytest.mark.parametrize("fields", [{}, {"reason": "x" * 60_000}, {f"f{n}": "" for n in range(99)}])
def test_any_form_of_anybody_gets_a_page_of_limited_size(
    served: Served, fields: dict[str, str]
) -> None:
    browser = served.browser()
    answer = browser.post("/coupons/1/close", **fields)
    assert (answer.status, "Nothing was done" in answer.text) == (401, True)
    assert len(answer.text) < 10_000
    assert len(answer.cookies) < 4_000


@pytest.mark.parametrize("path", ["//evil.example.com/", "/\\evil.example.com/", "/no-such-page"])
def test_the_sign_in_leads_to_pages_of_this_page_only(served: Served, path: str) -> None:
    browser = served.browser()
    browser.get(path)
    assert sign_in_again(browser) == "/"


@pytest.fixture
def page(chromium: Browser, served: Served) -> Page:
    page = chromium.new_page()
    page.goto(f"{served.url}/sign-in/{code(acts=True)}")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="The pipeline")).to_be_visible()
    return page


def test_an_open_page_says_it_and_keeps_what_is_typed(
    served: Served, page: Page, end_sessions: EndSessions
) -> None:
    page.goto(f"{served.url}/stream")
    page.get_by_label("Coupon", exact=True).fill("4711")
    end_sessions()
    stale = page.locator("#stale")
    expect(stale).to_contain_text("Your session is over", timeout=15_000)
    with page.context.expect_page() as opened:
        stale.get_by_role("link", name="Sign in again").click()
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("Sign in again")
    other = opened.value
    other.goto(f"{served.url}/sign-in/{code(acts=True)}")
    other.get_by_role("button", name="Sign in").click()
    expect(other).to_have_url(f"{served.url}/stream")
    expect(stale).to_be_hidden(timeout=15_000)
    expect(page.get_by_label("Coupon", exact=True)).to_have_value("4711")
    page.context.close()


def test_a_form_is_sent_again_after_a_new_sign_in(
    served: Served, page: Page, shop: Shop, end_sessions: EndSessions
) -> None:
    page.goto(f"{served.url}/coupons/{shop.coupon_id}/stock?total=30")
    end_sessions()
    page.get_by_role("button", name="Set the stock to 30").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was done")
    expect(page.locator("main")).to_contain_text("coupon monitor")
    assert shop.ledger().total_quantity == 20
    page.goto(f"{served.url}/sign-in/{code(acts=True)}")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("main")).to_contain_text("The stock becomes 30 instead of 20")
    page.get_by_role("button", name="Set the stock to 30").click()
    expect(page.locator(".done")).to_contain_text("a stock of 30")
    assert shop.ledger().total_quantity == 30
    page.context.close()


@pytest.mark.parametrize("by_s", [3_600, -3_600])
def test_a_session_and_its_forms_outlive_a_clock_that_is_set(
    served: Served, shop: Shop, monkeypatch: pytest.MonkeyPatch, by_s: int
) -> None:
    operator = served.operator(acts=True)
    form = operator.get(f"/coupons/{shop.coupon_id}/pause")
    now_s = time.time
    monkeypatch.setattr(time, "time", lambda: now_s() + by_s)
    assert operator.get("/").status == 200
    version = re.search(r'name="version" value="(\d+)"', form.text)
    assert version
    done = operator.post(
        f"/coupons/{shop.coupon_id}/pause", csrf_token=form.csrf_token, version=version[1]
    )
    assert done.status == 303
    assert "Done: it is paused" in text_of(operator.get(done.headers["Location"]))
