"""A coupon that is open to a list: who is on it is admitted, whatever the ids look like."""

import random
from collections.abc import Iterator
from contextlib import closing

import pytest

from coupons.gate import Gate, open_coupon
from coupons.gate.audiences import bring_audience
from coupons.gate.rebuild import rebuild
from coupons.gate.values import coupon_key
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.audiences import AudienceOutcome, find_audience, list_audiences, parse_form
from coupons.ledger.audiences import remove_audience as remove_in_ledger
from coupons.ledger.connection import Connection, connect_ledger
from coupons.model import Admission, Claim, Coupon, GateState, Refusal
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
    listed = set(SHAPES[shape])
    assert list_users(api, coupon.coupon_id, listed) is AudienceOutcome.DONE
    assert bring_audience(gate, reconciler, coupon.coupon_id)
    form = parse_form(list_audiences(api)[coupon.coupon_id])
    some = random.Random(2).sample(sorted(listed), min(len(listed), 500))
    bits = {user ^ 1 << bit for user in some[:50] for bit in range(63)}
    wraps = {user + form.chunks * 256**width for user in some[:50] for width in range(8)}
    others = bits | wraps | {user + step for user in some for step in (-1, 1, form.chunks)}
    asked = {user for user in others if 0 < user < FIRST_ERASED_ID} | set(some)
    assert admitted(gate, coupon, *asked) == asked & listed
