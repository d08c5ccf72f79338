"""The reconciler is killed between two steps of a promotion; another one ends it, once."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from chaos.checkers import lines
from chaos.evidence import Evidence
from chaos.history import History
from chaos.stores import read_gate, read_ledger
from chaos.verdict import violations
from coupons.gate import Gate
from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from tests.reconciler.conftest import Shop
from tests.reconciler.lines import HOLDERS, LINE, Line
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon
from tests.support.reconcilers import reconciler

WITHIN_SECONDS = 60
LOCK = 1_234_567
STEPS = {
    "the gate has admitted": "CREATE TRIGGER step BEFORE INSERT ON coupon_issue_request"
    " FOR EACH ROW EXECUTE FUNCTION wait_for_the_test()",
    "the request is written": "CREATE TRIGGER step BEFORE UPDATE ON standby_entry"
    " FOR EACH ROW WHEN (NEW.state = 'promoted') EXECUTE FUNCTION wait_for_the_test()",
    "it is being committed": "CREATE CONSTRAINT TRIGGER step AFTER UPDATE ON standby_entry"
    " DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW WHEN (NEW.state = 'promoted') EXECUTE FUNCTION wait_for_the_test()",
}
WAITS = (
    "CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS"
    f" 'BEGIN PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN NEW; END'"
)
STOPPED = f"SELECT count(*) FROM pg_locks WHERE objid = {LOCK} AND NOT granted"


@pytest.fixture
def line(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Iterator[Line]:
    with (
        closing(connect_ledger(database.url("coupon_api"), "test")) as api,
        closing(connect_ledger(database.url("coupon_reconciler"), "test")) as of_reconciler,
    ):
        shop = Shop(gate, database, make_coupon(total_quantity=len(HOLDERS)))
        yield Line(shop, api, of_reconciler)


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("step", STEPS)
def test_a_reconciler_that_is_killed_while_it_promotes_costs_nobody_the_turn(
    line: Line,
    owner: psycopg.Connection[tuple[object, ...]],
    database: Database,
    valkey_url: str,
    step: str,
) -> None:
    owner.execute(WAITS.encode())
    owner.execute(STEPS[step].encode())
    owner.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    line.raise_stock(len(HOLDERS) + 1)
    with reconciler(database, valkey_url) as first:
        eventually(lambda: owner.execute(STOPPED).fetchone() != (0,), WITHIN_SECONDS, step)
        first.kill()
        first.wait()
    assert line.gate.pending_before(line.coupon_id, 2**52, limit=9), "it was admitted before"
    assert line.requested() == [], "nothing is committed"
    owner.execute("SELECT pg_advisory_unlock(%s)", [LOCK])

    with reconciler(database, valkey_url):
        eventually(lambda: line.states() == "pww", WITHIN_SECONDS, "another one promotes")
        assert line.requested() == [LINE[0]]
        line.shop.issue(LINE[0])
        eventually(lambda: line.complaints() == [], WITHIN_SECONDS, "gate and ledger agree")
    assert broken(line, database) == []


def broken(line: Line, database: Database) -> list[str]:
    """What the checkers of the complete stack find."""
    with psycopg.connect(database.url("coupon_owner")) as ledger:
        rows = read_ledger(ledger, [line.coupon_id])
    unavailable, at_gate = read_gate(line.gate, [line.coupon_id])
    evidence = Evidence(**rows, unavailable=unavailable, at_gate=at_gate)
    history = History(joined=[(line.coupon_id, user) for user in LINE])
    of_stores = ("gate_equals_ledger", "one_coupon_for_a_user", "never_oversold")
    found = violations(history, evidence)
    names = [each.partition(":")[0] for each in found]
    return [
        each
        for each, name in zip(found, names, strict=True)
        if hasattr(lines, name) or name in of_stores
    ]
