"""The page of a coupon: what is known, what an operator does, and that nobody is overwritten."""

import re
from functools import partial
from urllib.parse import quote

import psycopg
import pytest

from coupons.gate import Gate, GateFigures, open_coupon
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import change_coupon, list_live
from coupons.model import CouponState
from coupons.waiting import eventually
from monitor.coupon_rates import CouponRates
from monitor.gate_rates import RATE_SECONDS
from monitor.ledger import MOST_COUPONS
from operations.audit import list_actions
from tests.monitor.conftest import NOWHERE
from tests.monitor.page.conftest import Operator, Serve, Served
from tests.monitor.page.words import text_of
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon
from tests.support.servers import ValkeyServer

MANY = 10_000
LARGEST_BYTES = 40_000
ACTIONS = ("pause", "resume", "close", "stock")


@pytest.fixture
def shop(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=20, name="<script>alert(1)</script>"))


def confirmed(operator: Operator, path: str, **fields: str) -> dict[str, str]:
    """The fields of the confirmation's form."""
    answer = operator.get(path)
    assert answer.status == 200, answer.text
    version = answer.text.split('name="version" value="')[1].split('"')[0]
    return {"csrf_token": answer.csrf_token, "version": version, **fields}


def test_it_shows_the_funnel_and_what_is_not_known(served: Served, shop: Shop) -> None:
    shop.accept(1, 2, 3, 4)
    shop.issue(1, 2, 3)
    operator, path = served.operator(), f"/coupons/{shop.coupon_id}/live"
    eventually(lambda: "admitted 4 " in text_of(operator.get(path)))
    eventually(lambda: "issued 3 3 marked" in text_of(operator.get(path)))
    said = text_of(operator.get(path))
    assert "accepted 4 1 of them are pending" in said
    assert "Left 16 of 20" in said
    assert "tried not counted by coupon" in said
    assert "captured not counted by coupon Kafka does not answer" in said
    assert "Refusals by reason are not known for one coupon" in said
    assert "A claim gets now: open" in said
    assert "<script>alert" not in operator.get(f"/coupons/{shop.coupon_id}").text
    eventually(lambda: re.search(r"[0-9]/s", text_of(operator.get(path))), what="it is watched")
    shop.accept(*range(5, 15))
    eventually(lambda: "When is it sold out? in " in text_of(operator.get(path)))
    # Whoever may only look sees no actions.
    assert "/pause" not in operator.get(f"/coupons/{shop.coupon_id}").text


def test_an_action_names_its_effect_in_numbers_and_the_trail_names_the_operator(
    served: Served, shop: Shop, database: Database
) -> None:
    shop.accept(1, 2, 3)
    shop.issue(1)
    operator, path = served.operator(acts=True), f"/coupons/{shop.coupon_id}"
    asked = text_of(operator.get(f"{path}/pause"))
    assert "Claims are refused from now on. 17 of 20 are left" in asked
    assert "2 pending requests still become final. 1 are issued." in asked
    done = operator.post(f"{path}/pause", **confirmed(operator, f"{path}/pause"))
    assert (done.status, done.headers["Location"]) == (303, path)
    assert "Done: it is paused" in operator.get(path).text
    assert shop.ledger().state is CouponState.PAUSED
    assert shop.admit(9) == []
    more = text_of(operator.get(f"{path}/stock?total=30"))
    assert "The stock becomes 30 instead of 20: 10 more." in more
    assert "27 are left then, instead of 17." in more
    less = text_of(operator.get(f"{path}/stock?total=2"))
    assert "It is refused while 3 are issued or pending." in less
    fields = confirmed(operator, f"{path}/stock?total=30", total="30")
    assert operator.post(f"{path}/stock", **fields).status == 303
    operator.post(f"{path}/resume", **confirmed(operator, f"{path}/resume"))
    assert len(shop.admit(9)) == 1
    assert "this is final" in operator.get(f"{path}/close").text
    operator.post(f"{path}/close", **confirmed(operator, f"{path}/close"))
    assert shop.ledger().state is CouponState.CLOSED
    assert "It is closed, which is final" in operator.get(f"{path}/resume").text
    with connect_ledger(database.url("coupon_monitor"), "test") as monitor:
        by_ana = [each.detail for each in list_actions(monitor, "", 9) if each.acted_by == "ana"]
    assert by_ana == [
        "state: open -> closed",
        "state: paused -> open",
        "stock: 20 -> 30",
        "state: open -> paused",
    ]


def test_the_second_of_two_operators_sees_what_the_first_did(
    served: Served, shop: Shop, database: Database
) -> None:
    operator, path = served.operator(acts=True), f"/coupons/{shop.coupon_id}"
    fields = confirmed(operator, f"{path}/stock?total=50", total="50")
    with connect_ledger(database.url("coupon_api"), "test") as api:
        change_coupon(api, shop.coupon_id, acted_by="bea", total_quantity=30)
    late = operator.post(f"{path}/stock", **fields)
    assert late.status == 409
    assert "Nothing was done: the coupon was changed meanwhile. bea," in text_of(late)
    assert "stock: 20 -&gt; 30" in late.text
    assert "The stock becomes 50 instead of 30" in text_of(late)
    assert shop.ledger().total_quantity == 30
    version = late.text.split('name="version" value="')[1].split('"')[0]
    again = {"csrf_token": late.csrf_token, "version": version, "total": "50"}
    assert operator.post(f"{path}/stock", **again).status == 303
    assert shop.ledger().total_quantity == 50


@pytest.mark.parametrize("action", ACTIONS)
def test_who_may_not_act_changes_nothing(serve: Serve, shop: Shop, action: str) -> None:
    before, path = shop.ledger(), f"/coupons/{shop.coupon_id}/{action}"
    looks, closed = serve(), serve(monitor_operator_database_url=None)
    fields = {"version": str(before.version), "total": "7"}
    for operator, why in (
        (looks.operator(acts=False), "You may only look"),
        (closed.operator(acts=True), "COUPON_MONITOR_OPERATOR_DATABASE_URL is not set"),
    ):
        assert operator.get(path).status == 403
        answer = operator.post(path, csrf_token=operator.get("/").csrf_token, **fields)
        assert (answer.status, why in answer.text) == (403, True)
    assert looks.operator(acts=True).post(path, **fields).status == 400
    assert shop.ledger() == before


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/coupons/999", 404, "There is no coupon 999"),
        ("/coupons/999/pause", 404, "There is no coupon 999"),
        ("/coupons/x", 404, "is not the id of a coupon"),
        (f"/coupons/{2**59}", 404, "is not the id of a coupon"),
        ("/coupons/1/explode", 404, "There is no such page"),
        ("/coupons?state=nope", 400, "There is no such state"),
        ("/coupons?before=-1", 400, "is not the id of a coupon"),
        (f"/coupons?q={'x' * 101}", 400, "at most 100 characters"),
        (f"/coupons?q={quote(chr(0))}", 400, "at most 100 characters"),
        (f"/coupons?q={quote('<b>')}", 200, "There are none that match"),
    ],
)
def test_garbage_gets_a_clear_message(served: Served, path: str, status: int, says: str) -> None:
    operator = served.operator(acts=True)
    # Before its first reading the monitor knows of no coupon.
    eventually(lambda: operator.get(path).status == status)
    answer = operator.get(path)
    assert (answer.status, says in answer.text) == (status, True), answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("total", ["0", "-1", "1e3", "1000000001", "9" * 300, "x", "", "٣"])
def test_a_stock_that_is_no_number_changes_nothing(served: Served, shop: Shop, total: str) -> None:
    operator, path = served.operator(acts=True), f"/coupons/{shop.coupon_id}/stock"
    if total:
        assert "A stock is a number from 1" in operator.get(f"{path}?total={quote(total)}").text
    fields = {"csrf_token": operator.get("/").csrf_token, "version": "1", "total": total}
    assert operator.post(path, **fields).status == 400
    assert shop.ledger().total_quantity == 20


def test_a_stock_below_what_is_issued_is_refused(served: Served, shop: Shop) -> None:
    shop.accept(1, 2)
    operator, path = served.operator(acts=True), f"/coupons/{shop.coupon_id}/stock"
    fields = confirmed(operator, f"{path}?total=1", total="1")
    shop.issue(1, 2)
    refused = operator.post(path, **fields)
    assert (refused.status, "2 are issued already" in refused.text) == (400, True)


def test_a_stock_below_what_is_in_flight_is_refused_with_the_reason(
    served: Served, shop: Shop
) -> None:
    operator, path = served.operator(acts=True), f"/coupons/{shop.coupon_id}/stock"
    fields = confirmed(operator, f"{path}?total=1", total="1")
    shop.accept(1, 2)
    refused = operator.post(path, **fields)
    assert (refused.status, "accepted and not final yet" in refused.text) == (400, True)
    assert shop.ledger().total_quantity == 20


def test_parts_that_are_down_leave_their_figures_unknown(
    serve: Serve, shop: Shop, own_valkey: ValkeyServer
) -> None:
    served = serve(redis_url=own_valkey.url)
    operator, path = served.operator(acts=True), f"/coupons/{shop.coupon_id}"
    eventually(lambda: "unavailable at the gate" in operator.get(path).text)
    own_valkey.kill()
    eventually(lambda: "Redis: unknown since" in operator.get(path).text)
    assert "A number that is not known now" in operator.get(f"{path}/close").text
    done = operator.post(f"{path}/pause", **confirmed(operator, f"{path}/pause"))
    assert done.status == 303
    assert "the reconciler brings it" in operator.get(path).text
    assert shop.ledger().state is CouponState.PAUSED
    nowhere = f"postgresql://coupon_ops:x@{NOWHERE}/coupon"
    blind = serve(database_url=nowhere, monitor_operator_database_url=nowhere)
    operator = blind.operator(acts=True)
    shown = operator.get(path)
    assert (shown.status, "Postgres: unknown since" in shown.text) == (200, True)
    for other in ("/coupons", f"{path}/pause", "/audit"):
        answer = operator.get(other)
        assert (answer.status, "Traceback" in answer.text) == (503, False)


def test_many_coupons_are_paged_and_searched(served: Served, database: Database) -> None:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(
            "INSERT INTO coupon (coupon_id, name, total_quantity)"
            " SELECT n, 'Sale ' || n, 10 FROM generate_series(1, %s) AS n",
            [MANY],
        )
    operator = served.operator()
    first = operator.get("/coupons")
    assert len(first.text.encode()) < LARGEST_BYTES
    assert "Sale 10000" in first.text
    assert "Sale 9951" in first.text
    assert "Sale 9950" not in first.text
    assert "Sale 9950" in operator.get("/coupons?before=9951").text
    found = operator.get("/coupons?q=sale%207777&state=open").text
    assert found.count("<tr>") == 2
    # Beyond those that the monitor reads, a coupon has its page all the same.
    other = text_of(operator.get("/coupons/1"))
    assert "Coupon 1: Sale 1" in other
    assert "not measured: it is not live" in other
    # Many actions make no page large either.
    audit = operator.get("/audit")
    assert audit.text.count("create coupon") == 50
    assert len(audit.text.encode()) < LARGEST_BYTES


def is_watched(served: Served, coupon_id: int) -> bool:
    """Whether its page needs no question to a server."""
    state = served.monitor.state()
    ledger, gate = state.postgres.value, state.redis.value
    read = ledger is not None and coupon_id in {each.coupon_id for each in ledger.coupons}
    return read and gate is not None and coupon_id in gate.figures


def test_a_refresh_is_small(served: Served, shop: Shop) -> None:
    operator, path = served.operator(), f"/coupons/{shop.coupon_id}/live"
    eventually(partial(is_watched, served, shop.coupon_id))
    costs = sorted(served.seconds_of(path, operator) for _ in range(20))
    print(f"a refresh of a coupon's page: {costs[10] * 1_000:.1f} ms of processor time")
    assert len(operator.get(path).text.encode()) < LARGEST_BYTES


def test_a_refresh_is_small_with_many_coupons(serve: Serve, database: Database, gate: Gate) -> None:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(
            "INSERT INTO coupon (coupon_id, name, total_quantity, issue_starts_at, state)"
            " SELECT n, 'Sale ' || n, 10, now() - n * interval '1 second',"
            "        CASE WHEN n %% 10 = 0 THEN 'open' ELSE 'closed' END"
            "   FROM generate_series(1, %s) AS n",
            [MANY],
        )
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        live, count = list_live(ops, [], MOST_COUPONS)
    assert count == len(live) == MANY // 10
    for coupon in live:
        open_coupon(gate, coupon)
    served = serve(monitor_interval_seconds=5.0, monitor_timeout_seconds=5.0)
    operator, path = served.operator(), f"/coupons/{live[-1].coupon_id}/live"
    eventually(partial(is_watched, served, live[-1].coupon_id), 30)
    costs = sorted(served.seconds_of(path, operator) for _ in range(20))
    print(f"a refresh beside {count:,} live coupons: {costs[10] * 1_000:.1f} ms of processor time")
    assert len(operator.get(path).text.encode()) < LARGEST_BYTES


def test_the_rate_of_a_coupon_begins_again_after_a_rebuild() -> None:
    def figures(issued: int, epoch: int = 1) -> dict[int, GateFigures | None]:
        return {1: GateFigures(epoch, 1, 100, issued + 2, 0, 2, issued, 0), 2: None}

    rates = CouponRates()
    assert rates.note(0.0, figures(0)) == {}
    assert rates.note(2.0, figures(10)) == {1: 5}
    assert rates.note(4.0, figures(0, epoch=2)) == {}
    assert rates.note(RATE_SECONDS + 4.0, figures(40, epoch=2)) == {1: 40 / RATE_SECONDS}
