"""A rebuild of the gate on the page: its effect first, one at a time, and how far it is."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
import pytest
from playwright.sync_api import Browser, expect

from coupons.gate import Gate
from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from operations.audit import list_actions
from reconciler.routine_pass import run_pass
from stack.ports import HOST, free_ports
from tests.monitor.page.conftest import LINK_KEY, Operator, Serve, Served, code
from tests.monitor.page.words import text_of
from tests.reconciler.conftest import Shop
from tests.support.api_process import ROOT
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

NOWHERE = "127.0.0.1:1"
PATH = "/stream/rebuild"

Held = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def shop(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=20, name="<i>Summer</i>"))


WAIT = """
CREATE TABLE held AS SELECT 1;
CREATE FUNCTION wait_while_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WHILE EXISTS (SELECT FROM held) LOOP PERFORM pg_sleep(0.02); END LOOP;
  RETURN NEW;
END $$;
CREATE TRIGGER held BEFORE UPDATE OF gate_epoch ON coupon
  FOR EACH ROW EXECUTE FUNCTION wait_while_held()
"""


@pytest.fixture
def held(database: Database) -> Held:
    """Holds every rebuild when it begins its epoch."""

    @contextmanager
    def hold() -> Iterator[None]:
        with psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner:
            owner.execute(WAIT)
            try:
                yield
            finally:
                owner.execute("DELETE FROM held")

    return hold


def begin(operator: Operator, coupon: object) -> None:
    token = operator.get("/").csrf_token
    assert operator.post(PATH, csrf_token=token, coupon=str(coupon)).status == 303


def said(operator: Operator) -> str:
    return text_of(operator.get("/stream"))


def actions(database: Database) -> list[tuple[str, str, int | None, str]]:
    with connect_ledger(database.url("coupon_monitor"), "test") as monitor:
        found = list_actions(monitor, "", 20)
    rebuilds = [each for each in reversed(found) if each.action == "rebuild gate"]
    return [(each.acted_by, each.result, each.coupon_id, each.detail) for each in rebuilds]


def test_a_coupon_is_rebuilt_after_its_effect_was_named(
    served: Served, shop: Shop, gate: Gate, database: Database
) -> None:
    shop.accept(1, 2, 3)
    shop.issue(1)
    operator = served.operator(acts=True)
    asked = text_of(operator.get(f"{PATH}?coupon={shop.coupon_id}"))
    assert "It has 3 requests at the gate, 2 of them pending." in asked
    assert "admits nobody: claims get 503" in asked
    gate.client.flushall()
    assert "It admits nobody now." in text_of(operator.get(f"{PATH}?coupon={shop.coupon_id}"))
    before = shop.ledger().gate_epoch
    begin(operator, shop.coupon_id)
    eventually(lambda: "1 coupon is rebuilt with 3 requests" in said(operator))
    assert "done Rebuild of coupon 1, begun by ana at" in said(operator)
    assert shop.statuses(1, 2, 3) == ["ISSUED", "REQUESTED", "REQUESTED"]
    assert shop.ledger().gate_epoch > before
    assert len(shop.admit(4)) == 1
    [begun, done] = actions(database)
    assert begun == ("ana", "begun", shop.coupon_id, "")
    assert done[:3] == ("ana", "done", shop.coupon_id)
    assert "<i>Summer" not in operator.get(f"{PATH}?coupon={shop.coupon_id}").text


def test_a_second_operator_sees_who_runs_it_and_how_far_it_is(
    served: Served, shop: Shop, make_coupon: MakeCoupon, held: Held
) -> None:
    make_coupon()
    ana, bea = served.operator(acts=True), served.browser()
    assert bea.sign_in(code=code("bea", acts=True)).status == 303
    with held():
        begin(ana, "all")
        eventually(lambda: "Coupon 1: 0 requests are loaded" in said(bea))
        assert "running Rebuild of all coupons, begun by ana at" in said(bea)
        assert "0 of 2 coupons are rebuilt" in said(bea)
        # Whoever may only look sees it as well.
        assert "running Rebuild of all coupons" in said(served.operator())
        assert "ana began another rebuild" in bea.get(f"{PATH}?coupon={shop.coupon_id}").text
        begin(bea, shop.coupon_id)
        assert "Not begun: ana began another one at" in said(bea)
    eventually(lambda: "done Rebuild of all coupons" in said(bea))
    begin(bea, shop.coupon_id)
    eventually(lambda: "done Rebuild of coupon 1, begun by bea" in said(ana))


def test_a_coupon_that_is_not_rebuilt_is_named_and_the_others_are(
    served: Served,
    shop: Shop,
    gate: Gate,
    make_coupon: MakeCoupon,
    database: Database,
) -> None:
    other = make_coupon()
    operator = served.operator(acts=True)
    with psycopg.connect(database.url("coupon_owner")) as owner:
        lock = "SELECT FROM coupon WHERE coupon_id = %s FOR UPDATE"
        owner.execute(lock, [shop.coupon_id])
        begin(operator, "all")
        eventually(lambda: "failed Rebuild of all coupons" in said(operator), 30)
    assert "1 coupon is rebuilt with 0 requests in" in said(operator)
    assert f"Not rebuilt: {shop.coupon_id}." in said(operator)
    assert gate.figures([other.coupon_id])[0] is not None
    assert [each[:2] for each in actions(database)] == [("ana", "begun"), ("ana", "failed")]


def test_a_monitor_that_ends_in_the_middle_leaves_nothing_broken_and_its_end_is_not_known(
    serve: Serve,
    shop: Shop,
    gate: Gate,
    database: Database,
    valkey_url: str,
    held: Held,
) -> None:
    shop.accept(1, 2)
    port = free_ports(["monitor"])["monitor"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COUPON_")},
        "COUPON_DATABASE_URL": database.url("coupon_monitor"),
        "COUPON_MONITOR_OPERATOR_DATABASE_URL": database.url("coupon_ops"),
        "COUPON_REDIS_URL": valkey_url,
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": NOWHERE,
        "COUPON_MONITOR_PORT": str(port),
        "COUPON_MONITOR_LINK_KEY": LINK_KEY,
    }
    with held():
        command = [sys.executable, "-m", "monitor"]
        monitor = subprocess.Popen(command, cwd=ROOT, env=environment)
        try:
            first = Operator(f"http://{HOST}:{port}")
            eventually(lambda: _answers(first), 20, "the monitor answers")
            link = code(acts=True)
            token = first.get(f"/sign-in/{link}").csrf_token
            assert first.post("/sign-in", csrf_token=token, code=link).status == 303
            begin(first, shop.coupon_id)
            eventually(lambda: "Coupon 1: 0 requests are loaded" in said(first))
        finally:
            monitor.kill()
            monitor.wait(10)
    operator = serve().operator(acts=True)
    assert "unknown Rebuild of coupon 1, begun by ana at" in said(operator)
    assert "Its end is not known" in said(operator)
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        list(run_pass(gate, reconciler, 10.0))
    assert shop.statuses(1, 2) == ["REQUESTED", "REQUESTED"]
    begin(operator, shop.coupon_id)
    eventually(lambda: "done Rebuild of coupon 1" in said(operator), 20)
    # The trail now has an end: a later monitor says nothing of it.
    assert "Rebuild of coupon" not in said(serve().operator())


def _answers(operator: Operator) -> bool:
    try:
        return operator.get("/healthz").status == 200
    except OSError:
        return False


def test_a_rebuild_is_watched_in_a_browser_that_updates_by_itself(
    served: Served, shop: Shop, chromium: Browser, held: Held
) -> None:
    page = chromium.new_page()
    page.goto(f"{served.url}/sign-in/{code(acts=True)}")
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{served.url}/stream")
    page.get_by_label("Coupon", exact=True).fill(str(shop.coupon_id))
    page.get_by_label("Coupon", exact=True).press("Enter")
    with held():
        page.get_by_role("button", name="Rebuild").click()
        expect(page.locator(".done")).to_contain_text("The rebuild has begun")
        expect(page.locator("#live")).to_contain_text("running", timeout=10_000)
    expect(page.locator("#live")).to_contain_text("1 coupon is rebuilt", timeout=10_000)
    expect(page.locator("#stale")).to_be_hidden()
    page.context.close()


@pytest.mark.parametrize(
    ("coupon", "says"),
    [("", "Say which coupon"), ("x", "is not the id"), ("99", "There is no coupon 99")],
)
def test_a_coupon_that_does_not_exist_is_not_rebuilt(
    served: Served, database: Database, coupon: str, says: str
) -> None:
    operator = served.operator(acts=True)
    for answer in (
        operator.get(f"{PATH}?coupon={coupon}"),
        operator.post(PATH, csrf_token=operator.get("/").csrf_token, coupon=coupon),
    ):
        assert (answer.status, says in answer.text) == (400, True)
    assert actions(database) == []


def test_whoever_may_only_look_rebuilds_nothing_and_sees_what_to_type(
    served: Served, make_coupon: MakeCoupon, database: Database
) -> None:
    coupon_id = make_coupon().coupon_id
    operator = served.operator(acts=False)
    assert operator.get(f"{PATH}?coupon={coupon_id}").status == 403
    token = operator.get("/").csrf_token
    assert operator.post(PATH, csrf_token=token, coupon=str(coupon_id)).status == 403
    assert operator.post("/stream/recover", csrf_token=token).status == 403
    typed = f"type coupon gate rebuild --coupon {coupon_id}"
    eventually(lambda: typed in said(operator))
    assert actions(database) == []


def test_what_a_recovery_would_do_is_checked_and_its_command_is_named(
    served: Served, database: Database
) -> None:
    operator = served.operator(acts=True)
    shown = operator.get("/stream/recover")
    assert "Type coupon connector recover where the system runs" in text_of(shown)
    assert operator.post("/stream/recover", csrf_token=shown.csrf_token).status == 303
    path = "/stream/recover/live"
    eventually(lambda: "failed Check of the change stream" in text_of(operator.get(path)))
    assert "Kafka Connect does not answer" in text_of(operator.get(path))
    assert actions(database) == []
