"""A draft is discarded over HTTP, by the version that was read, once and for good."""

import pytest
from werkzeug.test import Client

from coupons.gate import Gate
from coupons.gate.removal import count_keys
from tests.api.test_coupon_versions import is_problem
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_process import Bearer

Headers = dict[str, str]
ROOM = {"admits_per_second": 1, "order": "lot"}


@pytest.fixture
def path(new_coupon: NewCoupon) -> str:
    """Of a draft."""
    return f"/coupons/{new_coupon(state='draft', name='Noon sale')}"


def list_a_user(client: Client, admin: Headers, path: str) -> None:
    begun = client.post(f"{path}/audience-uploads", headers=admin).headers["Location"]
    headers = admin | {"Upload-Offset": "0"}
    taken = client.patch(begun, data="7\n", content_type="text/plain", headers=headers)
    assert taken.status_code == 200, taken.text
    assert client.post(f"{begun}/finish", headers=admin).status_code in (200, 202)


def test_it_is_gone_with_everything_and_the_gate_never_had_it(
    client: Client, admin: Headers, path: str, gate: Gate
) -> None:
    client.put(f"{path}/codes", json={"kind": "pool"}, headers=admin)
    client.post(f"{path}/codes/pool", data="A\nB", content_type="text/plain", headers=admin)
    list_a_user(client, admin, path)
    room = f"{path}/waiting-room/settings"
    assert client.put(room, json=ROOM, headers=admin | ANY_VERSION).status_code in (200, 202)
    etag = client.get(path, headers=admin).headers["ETag"]
    discarded = client.delete(path, headers=admin | {"If-Match": etag})
    assert discarded.status_code == 200, discarded.text
    said = discarded.get_json()
    assert (said["codes"], said["listed_users"]) == (2, 1)
    assert client.delete(path, headers=admin | {"If-Match": etag}).get_json() == said
    assert count_keys(gate, int(said["id"])) == 0
    for each in (path, f"{path}/codes", f"{path}/audience", room):
        is_problem(client.get(each, headers=admin), 404, "not-found")
    is_problem(
        client.patch(path, json={"name": "y"}, headers=admin | ANY_VERSION), 404, "not-found"
    )
    body = {"id": said["id"], "name": "y", "total_quantity": 1}
    is_problem(client.post("/coupons", json=body, headers=admin), 409, "id-taken")
    listed = client.get("/coupons?state=draft", headers=admin).get_json()["items"]
    assert said["id"] not in [each["id"] for each in listed]


def test_its_audit_says_who_discarded_what(client: Client, admin: Headers, path: str) -> None:
    client.delete(path, headers=admin | ANY_VERSION)
    last, created = client.get(f"{path}/audit", headers=admin).get_json()["items"]
    assert (created["action"], last["action"]) == ("create coupon", "discard draft")
    assert last["acted_by"] == created["acted_by"] != "coupon_api"
    assert last["changes"]["name"] == {"from": "Noon sale", "to": None}


def test_only_the_version_that_was_read_and_only_a_draft(
    client: Client, admin: Headers, bearer: Bearer, path: str
) -> None:
    is_problem(client.delete(path, headers=admin), 428, "precondition-required")
    etag = client.get(path, headers=admin).headers["ETag"]
    client.patch(path, json={"name": "y"}, headers=admin | ANY_VERSION)
    late = client.delete(path, headers=admin | {"If-Match": etag})
    assert "name: Noon sale -> y" in is_problem(late, 412, "precondition-failed")
    is_problem(client.delete(path, headers=bearer(2, ("coupon:ops",))), 403, "insufficient-scope")
    client.patch(path, json={"state": "open"}, headers=admin | ANY_VERSION)
    refused = client.delete(path, headers=admin | ANY_VERSION)
    assert "is open" in is_problem(refused, 409, "not-draft")
    missing = client.delete("/coupons/999999", headers=admin | ANY_VERSION)
    is_problem(missing, 404, "not-found")


def test_a_creation_that_is_repeated_says_that_its_draft_is_gone(
    client: Client, admin: Headers
) -> None:
    keyed = admin | {"Idempotency-Key": "once"}
    body = {"name": "x", "total_quantity": 1, "state": "draft"}
    made = client.post("/coupons", json=body, headers=keyed).headers["Location"]
    client.delete(made, headers=admin | ANY_VERSION)
    again = client.post("/coupons", json=body, headers=keyed)
    assert "discarded" in is_problem(again, 409, "id-taken")
