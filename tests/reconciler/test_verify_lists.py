"""`coupon verify` looks at standby lists and lists of users, and names what does not fit."""

from collections.abc import Iterator, Sequence

import pytest

from coupons.gate import Gate, GateFigures
from coupons.gate.audiences import bring_audience
from coupons.gate.values import coupon_key
from coupons.ledger.audiences import AudienceOutcome, list_audiences, parse_form
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import change_coupon
from coupons.model import CouponState
from operations.repair.compare_and_repair import compare_and_repair
from operations.verify.lists import count_lines, find_wrong_entries, wrong_audiences
from tests.reconciler.conftest import Archive, Pass, Shop
from tests.reconciler.lines import Line
from tests.support.audiences import list_users
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

LONG_AGO = "now() - interval '1 hour'"


@pytest.fixture
def owner(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_owner"), "test") as connection:
        yield connection


@pytest.fixture
def line(
    gate: Gate, database: Database, make_coupon: MakeCoupon, api: Connection, reconciler: Connection
) -> Line:
    """Three wait; the first is promoted and has a coupon."""
    line = Line(Shop(gate, database, make_coupon(total_quantity=2)), api, reconciler)
    line.revoke(100)
    line.serve()
    line.shop.issue(1)
    assert line.states() == "pww"
    return line


@pytest.fixture
def listed(shop: Shop, api: Connection, reconciler: Connection, gate: Gate) -> Shop:
    """A coupon that is open to 3,000 users, at the gate too."""
    assert list_users(api, shop.coupon_id, range(1, 3_001)) is AudienceOutcome.DONE
    assert bring_audience(gate, reconciler, shop.coupon_id)
    return shop


def wrong(ops: Connection, coupon_id: int | None = None) -> list[tuple[int, str]]:
    return [(each.user_id, each.why) for each in find_wrong_entries(ops, coupon_id)]


def entry(owner: Connection, user: int, changed: str) -> None:
    """By hand."""
    owner.execute(f"UPDATE standby_entry SET {changed} WHERE user_id = %s".encode(), [user])


def earlier(owner: Connection) -> None:
    """Everything that was done with the line was done an hour ago; who joined, a minute before."""
    owner.execute(
        "UPDATE standby_entry SET joined_at = joined_at - interval '61 minutes',"
        " ended_at = ended_at - interval '1 hour'"
    )
    owner.execute("ALTER TABLE coupon_issue_request DISABLE TRIGGER USER")
    owner.execute("UPDATE coupon_issue_request SET requested_at = requested_at - interval '1 hour'")


def test_a_line_that_is_served_has_nothing_wrong(line: Line, ops: Connection) -> None:
    assert wrong(ops) == []
    [found] = count_lines(ops, line.coupon_id)
    assert list(found) == [line.coupon_id, 2, 1, 3, 3, 0]
    assert found.complaints == []


def test_a_coupon_without_a_list_is_not_counted(shop: Shop, ops: Connection) -> None:
    assert count_lines(ops) == []


def test_an_old_line_that_is_served_has_nothing_wrong(
    line: Line, owner: Connection, ops: Connection
) -> None:
    earlier(owner)
    assert wrong(ops) == []


def test_who_was_promoted_to_nothing_is_named(
    line: Line, owner: Connection, ops: Connection
) -> None:
    entry(owner, 2, "state = 'promoted', ended_at = now()")
    assert wrong(ops) == wrong(ops, line.coupon_id) == [(2, "not_requested")]
    assert wrong(ops, line.coupon_id + 1) == []
    [found] = find_wrong_entries(ops)
    assert "promoted from the standby list, and there is no request" in str(found)


def test_who_waits_with_a_request_that_came_later_is_named(
    line: Line, owner: Connection, ops: Connection
) -> None:
    """Not at once: somebody may be promoted at this moment."""
    entry(owner, 1, "state = 'waiting', ended_at = NULL")
    assert wrong(ops) == []
    earlier(owner)
    assert wrong(ops) == [(1, "still_waits")]


def test_who_waits_with_a_request_in_a_paused_coupon_is_in_order(
    line: Line, owner: Connection, ops: Connection
) -> None:
    """Nobody is promoted meanwhile: they wait until it is opened again."""
    change_coupon(line.api, line.coupon_id, state=CouponState.PAUSED)
    entry(owner, 1, "state = 'waiting', ended_at = NULL")
    earlier(owner)
    assert wrong(ops) == []
    change_coupon(line.api, line.coupon_id, state=CouponState.OPEN)
    assert wrong(ops) == [(1, "still_waits")]


def test_who_joined_with_an_outcome_is_named(
    line: Line, owner: Connection, ops: Connection
) -> None:
    entry(owner, 2, "user_id = 101")
    assert wrong(ops) == [(101, "still_waits")]


def test_whose_claim_was_under_way_waits_rightly(
    line: Line, owner: Connection, ops: Connection
) -> None:
    """Admitted before they joined, written by roll-forward after that: they wait for their turn."""
    owner.execute(
        "INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)"
        " VALUES (%s, 3, now() - interval '2 hours')",
        [line.coupon_id],
    )
    assert wrong(ops) == []


def test_who_is_overtaken_is_named(line: Line, owner: Connection, ops: Connection) -> None:
    """2 and 3 wait; by hand, 2 stood before who was promoted."""
    earlier(owner)
    entry(owner, 2, "number = -1")
    assert wrong(ops) == [(2, "overtaken")]


def test_who_joined_after_a_promotion_is_not_overtaken(
    line: Line, owner: Connection, ops: Connection
) -> None:
    earlier(owner)
    entry(owner, 2, f"number = -1, joined_at = {LONG_AGO} + interval '1 minute'")
    assert wrong(ops) == []


def test_only_so_many_are_named(line: Line, owner: Connection, ops: Connection) -> None:
    for user in (2, 3):
        entry(owner, user, "state = 'promoted', ended_at = now()")
    assert len(find_wrong_entries(ops, most=1)) == 1


def test_stock_that_nobody_raised_is_named(line: Line, owner: Connection, ops: Connection) -> None:
    owner.execute("ALTER TABLE coupon DISABLE TRIGGER coupon_is_audited")
    owner.execute("UPDATE coupon SET total_quantity = 9 WHERE coupon_id = %s", [line.coupon_id])
    owner.execute("ALTER TABLE coupon ENABLE TRIGGER coupon_is_audited")
    [found] = count_lines(ops)
    assert found.complaints == [
        f"coupon {line.coupon_id}: the total is 9, and by its changes it is 3"
    ]
    change_coupon(line.api, line.coupon_id, total_quantity=10)
    [found] = count_lines(ops)
    assert found.complaints == [
        f"coupon {line.coupon_id}: 1 changes of the total are missing in the audit trail"
    ]


def test_a_list_that_is_complete_on_both_sides_has_nothing_wrong(
    listed: Shop, ops: Connection, gate: Gate
) -> None:
    assert wrong_audiences(gate, ops) == wrong_audiences(gate, ops, listed.coupon_id) == []


def test_a_list_that_lost_users_in_the_ledger_is_named(
    listed: Shop, ops: Connection, gate: Gate, owner: Connection
) -> None:
    owner.execute("UPDATE coupon_audience_chunk SET users = '' WHERE chunk = 0")
    [first, second] = wrong_audiences(gate, ops)
    assert first.startswith(f"coupon {listed.coupon_id}: its list was set with 3,000 users, and 2,")
    assert "the gate holds other users" in second


def test_a_list_that_the_ledger_lost_is_named(
    listed: Shop, ops: Connection, gate: Gate, owner: Connection
) -> None:
    owner.execute("DELETE FROM coupon_audience")
    assert wrong_audiences(gate, ops)[0] == (
        f"coupon {listed.coupon_id}: it is open to a list of users, and there is no list"
    )


@pytest.mark.parametrize("by", ["lost", "others"])
def test_a_list_that_the_gate_holds_otherwise_is_named_and_repaired(
    listed: Shop, api: Connection, ops: Connection, gate: Gate, reconciler: Connection, by: str
) -> None:
    """The same version, and as many users where others are there."""
    form = list_audiences(ops)[listed.coupon_id]
    key = f"{coupon_key(listed.coupon_id)}:audience:{parse_form(form).version}:0"
    assert gate.client.exists(key)
    if by == "lost":
        gate.client.delete(key)
    else:
        gate.client.setrange(key, 1, "zz")
    assert wrong_audiences(gate, ops) == [
        f"coupon {listed.coupon_id}: the gate holds other users than its list in the ledger;"
        " `coupon reconcile` repairs it"
    ]
    list(compare_and_repair(gate, reconciler, listed.ledger(), 10.0))
    assert wrong_audiences(gate, ops) == []


@pytest.mark.parametrize("at", ["the first look", "the second look", "the end of a rebuild"])
def test_a_list_that_is_loaded_by_a_rebuild_is_not_compared(
    listed: Shop, ops: Connection, gate: Gate, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The gate names the list before it has the chunks."""
    key = coupon_key(listed.coupon_id)
    gate.client.delete(*gate.client.scan_iter(f"{key}:audience:*"))
    if at == "the first look":
        gate.client.hset(key, "opened_under", "")
    asked = gate.figures

    def figures(coupon_ids: Sequence[int]) -> list[GateFigures | None]:
        found = asked(coupon_ids)
        if at == "the second look":
            gate.client.hset(key, "opened_under", "")
        elif at == "the end of a rebuild":
            gate.client.hincrby(key, "epoch", 1)
        return found

    monkeypatch.setattr(gate, "figures", figures)
    assert wrong_audiences(gate, ops) == []


def test_a_list_that_cannot_be_read_is_named_beside_others_and_repaired(
    listed: Shop, other: Shop, api: Connection, ops: Connection, gate: Gate, reconciler: Connection
) -> None:
    """A key of another type; the lists of other coupons are compared all the same."""
    list_users(api, other.coupon_id, [1])
    assert bring_audience(gate, reconciler, other.coupon_id)
    [second] = gate.client.scan_iter(f"{coupon_key(other.coupon_id)}:audience:*")
    gate.client.delete(second)
    first, *_ = gate.client.scan_iter(f"{coupon_key(listed.coupon_id)}:audience:*")
    gate.client.delete(first)
    gate.client.rpush(first, "spoilt")
    assert sorted(wrong_audiences(gate, ops)) == [
        f"coupon {listed.coupon_id}: the gate's list cannot be read; `coupon reconcile` repairs it",
        f"coupon {other.coupon_id}: the gate holds other users than its list in the ledger;"
        " `coupon reconcile` repairs it",
    ]
    for each in (listed, other):
        list(compare_and_repair(gate, reconciler, each.ledger(), 10.0))
    assert wrong_audiences(gate, ops) == []


def test_lists_of_an_archived_coupon_are_not_looked_for_at_the_gate(
    listed: Shop, ops: Connection, gate: Gate, make_pass: Pass, archive: Archive
) -> None:
    archive(listed.coupon_id)
    make_pass()
    assert wrong_audiences(gate, ops) == []
