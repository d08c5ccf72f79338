"""A coupon that is open to a list: who is on it is admitted, whatever the ids look like."""

import random
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from coupons.gate import Gate, audiences, open_coupon
from coupons.gate.audiences import bring_audience, is_spoilt, load_audience
from coupons.gate.rebuild import rebuild
from coupons.gate.values import coupon_key
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.audiences import (
    AudienceOutcome,
    is_listed,
    list_audiences,
    parse_form,
    remove_audience,
)
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.rebuild_lock import alone_with
from coupons.model import Admission, Claim, Coupon, GateState, Refusal
from operations.repair.compare_and_repair import compare_and_repair
from operations.repair.repairs import RepairAction
from tests.support.audiences import WHO, list_users
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon


@pytest.fixture
def api(database: Database) -> Iterator[Connection]:
    with closing(connect_ledger(database.url("coupon_api"), "test")) as connection:
        yield connection


@pytest.fixture
def reconciler(database: Database) -> Iterator[Connection]:
    with closing(connect_ledger(database.url("coupon_reconciler"), "test")) as connection:
        yield connection


@pytest.fixture
def coupon(gate: Gate, make_coupon: MakeCoupon) -> Coupon:
    made = make_coupon(total_quantity=100_000)
    assert open_coupon(gate, made)
    return made


def admitted(gate: Gate, coupon: Coupon, *users: int) -> set[int]:
    decisions = gate.admit([Claim(coupon.coupon_id, user) for user in users])
    assert {type(each) for each in decisions} <= {Admission, Refusal}, decisions
    refused = {each for each in decisions if isinstance(each, Refusal)}
    assert refused <= {Refusal.NOT_ELIGIBLE}
    return {each.user_id for each in decisions if isinstance(each, Admission)}


def listed(
    api: Connection, reconciler: Connection, gate: Gate, coupon: Coupon, users: Iterable[int]
) -> None:
    """Make these users the audience, in ledger and gate."""
    assert list_users(api, coupon.coupon_id, users) is AudienceOutcome.DONE
    assert bring_audience(gate, reconciler, coupon.coupon_id)


MANY = 5_000
SHAPES = {
    "few": [1, 7, FIRST_ERASED_ID - 1],
    "one": [42],
    "dense": range(1, MANY),
    "even": range(2, 2 * MANY, 2),
    "billions": range(10**9 - MANY // 2, 10**9 + MANY // 2),
    "one width and the next": [*range(1, MANY), 255 * 7, 256 * 7, 65536 * 7, 2**24 * 7],
    "random": random.Random(1).sample(range(1, FIRST_ERASED_ID), MANY),
    "snowflakes": [(1_700_000_000 + n) << 22 for n in range(MANY)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_who_is_listed_is_admitted_and_nobody_else(
    gate: Gate, coupon: Coupon, api: Connection, reconciler: Connection, shape: str
) -> None:
    """Neighbours of listed ids, too, and ids that are the same in the bytes of a record."""
    on_list = set(SHAPES[shape])
    assert list_users(api, coupon.coupon_id, on_list) is AudienceOutcome.DONE
    assert bring_audience(gate, reconciler, coupon.coupon_id)
    form = parse_form(list_audiences(api)[coupon.coupon_id])
    some = random.Random(2).sample(sorted(on_list), min(len(on_list), 500))
    bits = {user ^ 1 << bit for user in some[:50] for bit in range(63)}
    wraps = {user + form.chunks * 256**width for user in some[:50] for width in range(8)}
    others = bits | wraps | {user + step for user in some for step in (-1, 1, form.chunks)}
    asked = {user for user in others if 0 < user < FIRST_ERASED_ID} | set(some)
    assert admitted(gate, coupon, *asked) == asked & on_list
    for user in random.Random(3).sample(sorted(asked), 20):
        assert is_listed(api, coupon.coupon_id, user) == (user in on_list)


def test_a_list_replaces_the_one_before_at_once_and_leaves_no_key_of_it(
    gate: Gate, coupon: Coupon, api: Connection, reconciler: Connection
) -> None:
    """Who was admitted under the old list is answered as before. No list: everybody."""
    listed(api, reconciler, gate, coupon, [1, 2])
    assert admitted(gate, coupon, 1, 3) == {1}
    listed(api, reconciler, gate, coupon, range(3, 3_000))
    assert admitted(gate, coupon, 1, 2, 3, 2_999) == {1, 3, 2_999}
    old = list_audiences(api)[coupon.coupon_id]
    form = parse_form(old)
    keys = set(gate.client.scan_iter(f"{coupon_key(coupon.coupon_id)}:audience:*"))
    prefix = f"{coupon_key(coupon.coupon_id)}:audience:{form.version}"
    assert keys == {f"{prefix}:{number}" for number in range(form.chunks)}

    assert remove_audience(api, coupon.coupon_id, WHO) is AudienceOutcome.DONE
    assert bring_audience(gate, reconciler, coupon.coupon_id)
    assert admitted(gate, coupon, 2, 5_000) == {2, 5_000}
    assert not list(gate.client.scan_iter(f"{coupon_key(coupon.coupon_id)}:audience:*"))


def test_a_list_is_not_in_force_before_all_of_it_is_loaded(
    gate: Gate,
    coupon: Coupon,
    api: Connection,
    reconciler: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Redis may lose keys while a list is loaded: the one before stays, until it is repeated."""
    listed(api, reconciler, gate, coupon, [1])
    assert list_users(api, coupon.coupon_id, range(2, 3_000)) is AudienceOutcome.DONE

    def load_and_lose(*given: Any) -> bool:
        is_loaded = load_audience(*given)
        version = parse_form(list_audiences(api)[coupon.coupon_id]).version
        gate.client.delete(f"{coupon_key(coupon.coupon_id)}:audience:{version}:1")
        return is_loaded

    with monkeypatch.context() as patched:
        patched.setattr(audiences, "load_audience", load_and_lose)
        assert not bring_audience(gate, reconciler, coupon.coupon_id)
    assert admitted(gate, coupon, 1, 2) == {1}
    assert bring_audience(gate, reconciler, coupon.coupon_id)
    assert admitted(gate, coupon, 2) == {2}


def test_a_coupon_that_has_lost_a_part_of_its_list_admits_nobody_until_it_is_rebuilt(
    gate: Gate, coupon: Coupon, api: Connection, reconciler: Connection
) -> None:
    listed(api, reconciler, gate, coupon, range(1, 3_000))
    for key in list(gate.client.scan_iter(f"{coupon_key(coupon.coupon_id)}:audience:*")):
        gate.client.delete(key)
    assert gate.admit([Claim(coupon.coupon_id, 1)]) == [GateState.UNREADABLE]
    assert gate.admit([Claim(coupon.coupon_id, 1)]) == [GateState.STALE]
    assert rebuild(gate, reconciler, coupon.coupon_id) == 0
    assert admitted(gate, coupon, 1, 5_000) == {1}


def test_a_rebuild_opens_the_coupon_with_its_list(
    gate: Gate, coupon: Coupon, api: Connection, reconciler: Connection
) -> None:
    """Redis lost everything: nobody who is not listed gets in, at no moment."""
    assert list_users(api, coupon.coupon_id, [1, 2]) is AudienceOutcome.DONE
    gate.client.flushdb()
    assert gate.admit([Claim(coupon.coupon_id, 3)]) == [GateState.MISSING]
    assert rebuild(gate, reconciler, coupon.coupon_id) == 0
    assert admitted(gate, coupon, 1, 3) == {1}


def test_a_list_that_is_replaced_during_a_rebuild_leaves_the_coupon_closed(
    gate: Gate, coupon: Coupon, api: Connection, reconciler: Connection
) -> None:
    """The rebuild has read one list's form, and finds the chunks of another: it is repeated."""
    assert list_users(api, coupon.coupon_id, [1]) is AudienceOutcome.DONE
    old = list_audiences(api)[coupon.coupon_id]
    assert list_users(api, coupon.coupon_id, range(2, 3_000)) is AudienceOutcome.DONE
    assert not load_audience(gate, reconciler, coupon.coupon_id, old)


def test_a_rebuild_leaves_no_key_of_the_list_before(
    gate: Gate, coupon: Coupon, api: Connection, reconciler: Connection
) -> None:
    """It may name somebody who was erased since. Also if the rebuild does not come to its end."""
    listed(api, reconciler, gate, coupon, range(1, 3_000))
    key = coupon_key(coupon.coupon_id)
    assert list_users(api, coupon.coupon_id, [1]) is AudienceOutcome.DONE
    assert rebuild(gate, reconciler, coupon.coupon_id) == 0
    version = parse_form(list_audiences(api)[coupon.coupon_id]).version
    assert gate.client.keys(f"{key}:audience:*") == [f"{key}:audience:{version}:0"]

    assert admitted(gate, coupon, 1) == {1}
    [figures] = gate.figures([coupon.coupon_id])
    assert figures is not None
    later = replace(coupon, gate_epoch=figures.epoch + 1)
    assert not open_coupon(gate, later, load_audience=lambda: False)
    assert gate.client.keys(f"{key}*") == [key]


def test_nobody_brings_a_list_while_the_coupon_is_rebuilt(
    gate: Gate, coupon: Coupon, api: Connection, reconciler: Connection, database: Database
) -> None:
    """A rebuild that has read the list before would replace the new one by it."""
    assert list_users(api, coupon.coupon_id, [1]) is AudienceOutcome.DONE
    with (
        closing(connect_ledger(database.url("coupon_ops"), "test")) as other,
        alone_with(other, coupon.coupon_id),
    ):
        assert not bring_audience(gate, reconciler, coupon.coupon_id)
    assert bring_audience(gate, reconciler, coupon.coupon_id)


def test_a_group_and_a_list_must_both_fit(
    gate: Gate, make_coupon: MakeCoupon, api: Connection, reconciler: Connection
) -> None:
    coupon = make_coupon(eligible_group="gold")
    assert open_coupon(gate, coupon)
    listed(api, reconciler, gate, coupon, [1])
    claims = [
        Claim(coupon.coupon_id, 1),
        Claim(coupon.coupon_id, 2, ("gold",)),
        Claim(coupon.coupon_id, 1, ("gold",)),
    ]
    first, second, third = gate.admit(claims)
    assert (first, second) == (Refusal.NOT_ELIGIBLE, Refusal.NOT_ELIGIBLE)
    assert isinstance(third, Admission)


def test_a_spoilt_list_is_found_by_the_full_comparison_and_loaded_again(
    gate: Gate, coupon: Coupon, api: Connection, reconciler: Connection
) -> None:
    """Somebody has written into a key: counts and versions do not show it."""
    listed(api, reconciler, gate, coupon, range(1, 3_000))
    form = list_audiences(api)[coupon.coupon_id]
    assert not is_spoilt(gate, reconciler, coupon.coupon_id, form)
    version = parse_form(form).version
    gate.client.append(f"{coupon_key(coupon.coupon_id)}:audience:{version}:2", "\x7f")
    repairs = list(compare_and_repair(gate, reconciler, coupon, 10.0))
    assert [(each.action, each.why) for each in repairs] == [(RepairAction.REDEFINED, "audience")]
    assert not is_spoilt(gate, reconciler, coupon.coupon_id, form)
    assert list(compare_and_repair(gate, reconciler, coupon, 10.0)) == []
