"""An operator finds a request, its times and reasons; and what was typed never breaks the page."""

from urllib.parse import quote

import pytest

from coupons.gate import Gate
from coupons.ids import request_id_text
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import change_coupon
from coupons.model import CouponState
from coupons.waiting import eventually
from tests.monitor.conftest import NOWHERE
from tests.monitor.page.conftest import Serve, Served
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon


@pytest.fixture
def shop(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=1, name="<script>alert(1)</script>"))


def test_the_timeline_of_a_request_by_its_id_and_by_coupon_and_user(
    served: Served, shop: Shop
) -> None:
    shop.accept(1)
    shop.issue(1)
    operator = served.operator()
    by_id = f"/requests?request={request_id_text(shop.coupon_id, 1)}"
    for path in (by_id, f"/requests?coupon={shop.coupon_id}&user=1"):
        answer = operator.get(path)
        assert answer.status == 200
        assert f"User 1, coupon {shop.coupon_id}: ISSUED" in answer.text
        stages = ("admitted", "accepted", "in Kafka", "dead letter", "issued", "marked")
        assert all(f"<strong>{stage}</strong>" in answer.text for stage in stages)
        assert "the gate has it as ISSUED" in answer.text
        # Kafka is down: that is said, and not guessed.
        assert "unknown: " in answer.text
        assert f"Kafka at {NOWHERE}" in answer.text


def test_the_timeline_goes_on_with_what_becomes_of_the_issued_coupon(
    served: Served, shop: Shop, database: Database
) -> None:
    shop.accept(1)
    shop.issue(1)
    with connect_ledger(database.url("coupon_api"), "test") as api:
        for wanted, order in (("use", "<b>A-1</b>"), ("cancel_use", "<b>A-1</b>")):
            api.execute(
                "SELECT change_issued_coupon(1, %s, %s, %s, NULL, 'user 1')",
                [shop.coupon_id, wanted, order],
            )
    answer = served.operator().get(f"/requests?coupon={shop.coupon_id}&user=1")
    assert "<strong>used</strong>" in answer.text
    assert "<strong>use cancelled</strong>" in answer.text
    assert "for order &lt;b&gt;A-1&lt;/b&gt;, by user 1" in answer.text


def test_why_a_user_got_none_is_what_is_known_and_no_guess(
    served: Served, shop: Shop, database: Database
) -> None:
    shop.accept(1)
    path = f"/requests?coupon={shop.coupon_id}&user=4711"
    operator = served.operator()
    answer = operator.get(path)
    assert "no request" in answer.text
    assert "sold out at the gate: all 1 are taken" in answer.text
    assert "Refusals are not recorded for each user" in answer.text
    with connect_ledger(database.url("coupon_api"), "test") as api:
        change_coupon(api, shop.coupon_id, state=CouponState.PAUSED)
    assert "The coupon is paused now" in operator.get(path).text


def test_a_user_alone_and_a_coupon_alone(served: Served, shop: Shop) -> None:
    shop.accept(1)
    operator = served.operator()
    link = f"coupon={shop.coupon_id}&amp;user=1"
    eventually(lambda: link in operator.get("/requests?user=1").text)
    assert "Searched: the 1 live coupons" in operator.get("/requests?user=1").text
    assert "no request for any of the live coupons" in operator.get("/requests?user=2").text
    coupon = operator.get(f"/requests?coupon={shop.coupon_id}").text
    assert "Left at the gate" in coupon
    for text in (coupon, operator.get("/requests?user=1").text):
        assert "&lt;script&gt;" in text
        assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("user=x", 400, "“x” is not the id of a user"),
        ("user=0", 400, "is not the id of a user"),
        ("user=-1", 400, "is not the id of a user"),
        ("user=1_000", 400, "is not the id of a user"),
        (f"user={quote('١٢')}", 400, "is not the id of a user"),
        (f"user={2**63}", 400, "is not the id of a user"),
        (f"coupon={2**59}&user=1", 400, "is not the id of a coupon"),
        (f"coupon={quote('<script>alert(1)</script>')}", 400, "&lt;script&gt;alert"),
        (f"user={quote(chr(0) + chr(27) + 'x')}", 400, "“??x”"),
        ("request=7", 400, "is not the id of a request"),
        ("request=00000000-0000-4000-8000-000000000001", 400, "is not the id of a request"),
        ("request=" + "9" * 5_000, 400, "…” is not the id of a request"),
        ("request=%ff%fe", 400, "is not the id of a request"),
        (f"request={request_id_text(1, 2)}&user=2", 400, "not both"),
        ("coupon=999", 404, "There is no coupon 999"),
        ("coupon=999&user=1", 404, "there is no coupon 999"),
        ("coupon=&user=&request=", 200, "Find a request"),
        ("other=1&user", 200, "Find a request"),
    ],
)
def test_garbage_gets_a_clear_message(served: Served, query: str, status: int, says: str) -> None:
    answer = served.operator().get(f"/requests?{query}")
    assert (answer.status, says in answer.text) == (status, True), answer.text
    assert "<script>alert" not in answer.text
    assert "Traceback" not in answer.text


def test_servers_that_are_down_are_named(serve: Serve, shop: Shop) -> None:
    served = serve(monitor_operator_database_url=f"postgresql://x:y@{NOWHERE}/coupon")
    operator = served.operator()
    one = operator.get(f"/requests?coupon={shop.coupon_id}&user=1")
    assert one.status == 200
    assert "unknown" in one.text
    coupon = operator.get(f"/requests?coupon={shop.coupon_id}")
    assert coupon.status == 503
    assert "Not known now" in coupon.text
    assert "Traceback" not in coupon.text


def test_an_error_that_nobody_expected_shows_no_traceback(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the implementation")

    operator = served.operator()
    monkeypatch.setattr("monitor.page.request_views.trace_request", fail)
    answer = operator.get("/requests?coupon=1&user=1")
    assert answer.status == 500
    assert "log says why" in answer.text
    assert "secret" not in answer.text


def test_an_address_that_is_no_page(served: Served) -> None:
    operator = served.operator()
    answer = operator.get("/nothing")
    assert (answer.status, "There is no such page" in answer.text) == (404, True)
    assert operator.get("/static/../app.py").status == 404
    assert operator.post("/requests").status == 405
