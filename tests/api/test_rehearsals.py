"""Rehearsals over HTTP: synthetic users claim as everybody does, and no user sees them."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from coupons.gate import Gate, open_coupon
from coupons.gate.connection import connect_redis
from coupons.ids import FIRST_ERASED_ID, FIRST_REHEARSAL_ID, REHEARSAL_GROUP
from coupons.ledger.connection import connect_ledger
from coupons.ledger.rehearsals import begin_rehearsal
from tests.api.test_coupon_versions import is_problem
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database

Claim = Callable[..., Any]
Headers = dict[str, str]
SYNTHETIC = FIRST_REHEARSAL_ID + 7
GROUPS = [REHEARSAL_GROUP]


@pytest.fixture
def rehearsal(gate: Gate, database: Database) -> int:
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        made = begin_rehearsal(ops, "of a test", 2, "a test")
    assert open_coupon(gate, made)
    return made.coupon_id


def test_a_synthetic_user_claims_as_everybody_does(
    client: Client, bearer: Bearer, rehearsal: int, claim: Claim
) -> None:
    assert claim(rehearsal, SYNTHETIC, groups=GROUPS).status_code == 202
    again = claim(rehearsal, SYNTHETIC, groups=GROUPS)
    assert again.status_code == 200
    headers = bearer(SYNTHETIC, groups=GROUPS)
    assert client.get(again.headers["Location"], headers=headers).status_code == 200
    assert client.get(f"/coupons/{rehearsal}", headers=headers).status_code == 200


def test_users_do_not_see_a_rehearsal(
    client: Client, bearer: Bearer, rehearsal: int, claim: Claim, rows: Callable[[int], int]
) -> None:
    """A read is that of a coupon that does not exist, and a claim is of another group."""
    for groups in ([], ["vip"]):
        assert is_problem(claim(rehearsal, 7, groups=groups), 403, "not-eligible")
        below = ("", "/issue-requests/me/timeline", "/waiting-room/settings")
        for path in (f"/coupons/{rehearsal}{part}" for part in below):
            answer = client.get(path, headers=bearer(7, groups=groups))
            assert answer.status_code == 404, path
    assert rows(rehearsal) == 0


def test_a_claim_is_404_when_the_gate_does_not_have_the_rehearsal(
    client: Client, bearer: Bearer, rehearsal: int, claim: Claim, valkey_url: str
) -> None:
    """Else a rebuild would show that there is one."""
    with connect_redis(valkey_url) as redis:
        redis.flushdb()
    assert is_problem(claim(rehearsal, 7), 404, "not-found")
    arrival = client.post(f"/coupons/{rehearsal}/waiting-room", json={}, headers=bearer(7))
    assert is_problem(arrival, 404, "not-found")
    assert is_problem(claim(rehearsal, SYNTHETIC, groups=GROUPS), 503, "gate-closed")


def test_staff_sees_a_rehearsal_and_cannot_make_one(
    client: Client, admin: Headers, rehearsal: int, new_coupon: NewCoupon
) -> None:
    """Nor turn one into another coupon."""
    listed = client.get("/coupons", headers=admin).get_json()["items"]
    assert [(each["id"], each["eligible_group"]) for each in listed] == [
        (str(rehearsal), REHEARSAL_GROUP)
    ]
    body = {"name": "x", "total_quantity": 1, "eligible_group": REHEARSAL_GROUP}
    refused = client.post("/coupons", json=body, headers=admin)
    assert "reserved for rehearsals" in is_problem(refused, 422, "invalid")
    headers = {**admin, **ANY_VERSION}
    other = new_coupon()
    path = f"/coupons/{other}"
    changed = client.patch(path, json={"eligible_group": REHEARSAL_GROUP}, headers=headers)
    assert is_problem(changed, 422, "invalid")
    for group in (None, "vip"):
        body = {"eligible_group": group}
        changed = client.patch(f"/coupons/{rehearsal}", json=body, headers=headers)
        assert is_problem(changed, 409, "rehearsal")


@pytest.mark.parametrize(
    ("user", "groups", "status"),
    [
        (FIRST_REHEARSAL_ID - 1, [], 200),
        (FIRST_REHEARSAL_ID - 1, GROUPS, 401),
        (FIRST_REHEARSAL_ID, [], 401),
        (FIRST_REHEARSAL_ID, ["vip", *GROUPS], 200),
        (FIRST_ERASED_ID - 1, GROUPS, 200),
        (FIRST_ERASED_ID, GROUPS, 401),
    ],
)
def test_the_ids_and_the_group_of_synthetic_users_go_together(
    client: Client, bearer: Bearer, user: int, groups: list[str], status: int
) -> None:
    """No real user is in the group, and no synthetic user is out of it."""
    answer = client.get("/users/me/coupons", headers=bearer(user, groups=groups))
    assert answer.status_code == status
