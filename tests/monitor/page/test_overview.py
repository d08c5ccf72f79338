"""The overview says what is healthy, how far behind and when done; and what is not known."""

import json
import re
import time
from collections.abc import Callable

import psycopg
import pytest

from coupons.gate import Gate, GateFigures, open_coupon
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import list_coupons
from coupons.waiting import eventually
from monitor.gate_rates import RATE_SECONDS, GateRates
from tests.monitor.page.conftest import Operator, Serve, Served
from tests.monitor.page.words import text_of
from tests.reconciler.conftest import Shop
from tests.support.answers import Answers
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon
from tests.support.servers import ValkeyServer

UNKNOWN_SINCE = re.compile(r"unknown since \d\d:\d\d:\d\d UTC")
MANY = 1_000
LARGEST_BYTES = 80 * 1_024


@pytest.fixture
def shop(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=20, name="Summer sale"))


def live(operator: Operator) -> str:
    """The text of the live part, without markup, in one line."""
    answer = operator.get("/live", **{"HX-Request": "true"})
    assert answer.status == 200, answer.text
    return text_of(answer)


def shows(operator: Operator, text: str) -> Callable[[], bool]:
    return lambda: text in live(operator)


def test_while_the_connector_is_paused_nobody_is_told_that_all_is_done(serve: Serve) -> None:
    status = {"name": "coupon-cdc", "connector": {"state": "PAUSED"}, "tasks": []}
    connect = Answers(200, json.dumps(status))
    try:
        operator = serve(connect_url=connect.url).operator()
        eventually(shows(operator, "cannot be estimated: the connector does not run"))
    finally:
        connect.stop()


def test_it_shows_the_books_the_rate_and_each_live_coupon(served: Served, shop: Shop) -> None:
    operator = served.operator()
    shop.accept(1, 2, 3, 4)
    shop.issue(1, 2, 3)
    eventually(shows(operator, "accepted 4"))
    eventually(shows(operator, "issued 3"))
    eventually(shows(operator, f"{shop.coupon_id} Summer sale open 20 16 1 3 0"))
    shop.accept(5)
    eventually(lambda: re.search(r"0\.\d/s admitted", live(operator)), what="a rate")


def test_what_is_down_is_named_and_its_figures_are_unknown_since_a_time(
    serve: Serve, own_valkey: ValkeyServer, answers: Callable[..., Answers]
) -> None:
    api = answers()
    served = serve(redis_url=own_valkey.url, api_management_url=api.url)
    operator = served.operator()
    eventually(shows(operator, "API healthy 1 of 1"))
    eventually(lambda: "Oldest request none" in live(operator))
    own_valkey.kill()
    eventually(shows(operator, "Oldest request unknown since"))
    said = live(operator)
    assert "Redis" in said
    assert UNKNOWN_SINCE.search(said)
    assert "pending unknown since" in said
    api.status, api.body = 503, '{"detail": "the gate is <b>down</b>"}'
    eventually(shows(operator, "API healthy 0 of 1"))
    eventually(lambda: "&lt;b&gt;down" in operator.get("/live").text)
    own_valkey.start()
    eventually(shows(operator, "Oldest request none"))


def test_the_doctor_is_asked_while_somebody_reads_and_says_what_to_type(served: Served) -> None:
    operator = served.operator()
    assert "It is checking" in live(operator)
    eventually(shows(operator, "What the doctor says Something is failing"), 30)
    said = live(operator)
    assert "kafka : " in said
    assert "type " in said
    assert "In the runbook: Kafka is down" in said


def test_names_that_others_choose_are_text(
    served: Served, gate: Gate, make_coupon: MakeCoupon
) -> None:
    evil = '<script>alert(1)</script><img src=x onerror="x">'
    open_coupon(gate, make_coupon(name=evil))
    operator = served.operator()
    eventually(lambda: "&lt;script&gt;" in operator.get("/live").text)
    for path in ("/", "/live"):
        text = operator.get(path).text
        assert "<script>alert" not in text
        assert "<img" not in text


def test_a_first_page_is_small(served: Served, shop: Shop) -> None:
    operator = served.operator()
    eventually(shows(operator, "Summer sale"))
    began = time.monotonic()
    page = operator.get("/")
    seconds = time.monotonic() - began
    assets = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
    assert len(assets) == 4
    sent = len(page.text.encode()) + sum(len(operator.get(each).text.encode()) for each in assets)
    print(f"the overview: {sent:,} bytes in all, its HTML after {seconds * 1_000:.0f} ms")
    assert sent < LARGEST_BYTES
    for each in assets:
        assert "max-age=31536000" in operator.get(each).headers["Cache-Control"]
    assert page.headers["Cache-Control"] == "no-store"


def test_a_refresh_is_small_with_many_coupons(serve: Serve, database: Database, gate: Gate) -> None:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(
            "INSERT INTO coupon (coupon_id, name, total_quantity, issue_starts_at)"
            " SELECT n, 'of a test', 10, now() - n * interval '1 second'"
            "   FROM generate_series(1, %s) AS n",
            [MANY],
        )
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        for coupon in list_coupons(ops):
            open_coupon(gate, coupon)
    served = serve(monitor_interval_seconds=5.0, monitor_timeout_seconds=5.0)
    operator = served.operator()
    eventually(shows(operator, "open coupons 1,000"), 30)
    costs = sorted(served.seconds_of("/live", operator) for _ in range(20))
    print(f"a refresh with {MANY:,} live coupons: {costs[10] * 1_000:.1f} ms of processor time")
    assert len(operator.get("/live").text.encode()) < LARGEST_BYTES


def test_rates_at_the_gate_count_what_grew_and_begin_again_after_a_rebuild() -> None:
    def figures(admitted: int, issued: int, epoch: int = 1) -> dict[int, GateFigures | None]:
        return {1: GateFigures(epoch, 1, 100, admitted, 0, admitted - issued, issued, 0)}

    rates = GateRates()
    assert rates.note(0.0, figures(10, 0)) == (None, None)
    assert rates.note(2.0, figures(30, 10)) == (10, 5)
    assert rates.note(4.0, figures(0, 0, epoch=2)) == (5, 2.5)
    assert rates.note(6.0, {1: None}) == pytest.approx((20 / 6, 10 / 6))
    rates.note(RATE_SECONDS + 3.0, figures(50, 0, epoch=2))
    grown = rates.note(RATE_SECONDS + 6.0, figures(71, 0, epoch=2))
    assert grown == pytest.approx((21 / RATE_SECONDS, 0))
