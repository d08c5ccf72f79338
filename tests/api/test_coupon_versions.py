"""Two administrators never overwrite each other: ETag and If-Match."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import Client

from tests.api.test_coupons import issue_one
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database

Headers = dict[str, str]


def is_problem(answer: Any, status: int, kind: str) -> str:
    """Its detail."""
    assert (answer.status_code, answer.json["type"]) == (status, f"urn:coupon-cdc:problem:{kind}")
    return str(answer.json["detail"])


def test_every_answer_that_shows_a_coupon_has_its_etag(client: Client, admin: Headers) -> None:
    made = client.post("/coupons", json={"name": "x", "total_quantity": 5}, headers=admin)
    path = made.headers["Location"]
    seen = [made.headers["ETag"]]
    for call, tail, body in (
        (client.get, "", None),
        (client.patch, "", {"name": "y"}),
        (client.get, "", None),
        (client.post, "/pause", None),
        (client.post, "/resume", None),
    ):
        answer = call(path + tail, json=body, headers=admin | {"If-Match": seen[-1]})
        assert answer.status_code == 200, answer.text
        assert answer.headers["ETag"] == f'"{answer.get_json()["version"]}"'
        seen.append(answer.headers["ETag"])
    assert seen[0] == seen[1]
    assert len(set(seen)) == 4, "reading changes nothing"
    assert seen[2] == seen[3]


def test_neither_a_claim_nor_its_coupon_changes_the_etag(
    client: Client, admin: Headers, new_coupon: NewCoupon, claim: Any, database: Database
) -> None:
    coupon_id = new_coupon()
    before = client.get(f"/coupons/{coupon_id}", headers=admin).headers["ETag"]
    assert claim(coupon_id, 1).status_code == 202
    issue_one(database, coupon_id, 1)
    after = client.get(f"/coupons/{coupon_id}", headers=admin)
    assert (after.get_json()["issued_count"], after.headers["ETag"]) == (1, before)


def test_a_change_without_if_match_is_428(
    client: Client, admin: Headers, new_coupon: NewCoupon
) -> None:
    path = f"/coupons/{new_coupon()}"
    answer = client.patch(path, json={"name": "y"}, headers=admin)
    assert "ETag" in is_problem(answer, 428, "precondition-required")
    assert client.get(path, headers=admin).get_json()["name"] == "of a test"


def test_a_stale_change_is_412_and_says_what_was_changed_and_by_whom(
    client: Client, admin: Headers, bearer: Bearer, new_coupon: NewCoupon
) -> None:
    path = f"/coupons/{new_coupon()}"
    seen = {"If-Match": client.get(path, headers=admin).headers["ETag"]}
    other = bearer(77, ("coupon:admin",)) | seen
    assert client.patch(path, json={"name": "first"}, headers=other).status_code == 200
    answer = client.patch(path, json={"name": "second"}, headers=admin | seen)
    detail = is_problem(answer, 412, "precondition-failed")
    assert "by user 77 at 20" in detail
    assert "name: of a test -> first" in detail
    assert client.get(path, headers=admin).get_json()["name"] == "first"


def test_a_change_to_what_is_there_already_leaves_the_version(
    client: Client, admin: Headers, new_coupon: NewCoupon
) -> None:
    """Who has read the coupon as it is may change it, however often others repeat themselves."""
    path = f"/coupons/{new_coupon()}"
    terms = {"name": "y", "total_quantity": 7, "discount": {"a": 1}, "metadata": {"b": "c"}}
    changed = client.patch(path, json=terms, headers=admin | ANY_VERSION)
    again = client.patch(path, json=terms, headers=admin | ANY_VERSION)
    assert again.headers["ETag"] == changed.headers["ETag"]
    paused = client.post(f"{path}/pause", headers=admin)
    assert paused.headers["ETag"] != changed.headers["ETag"]
    assert client.post(f"{path}/pause", headers=admin).headers["ETag"] == paused.headers["ETag"]
    seen = {"If-Match": paused.headers["ETag"]}
    assert client.patch(path, json={"name": "z"}, headers=admin | seen).status_code == 200


@pytest.mark.parametrize("action", ["pause", "resume", "close"])
def test_an_action_takes_if_match_when_it_is_sent(
    client: Client, admin: Headers, new_coupon: NewCoupon, action: str
) -> None:
    path = f"/coupons/{new_coupon()}"
    answer = client.post(f"{path}/{action}", headers=admin | {"If-Match": '"7"'})
    is_problem(answer, 412, "precondition-failed")
    assert client.get(path, headers=admin).get_json()["state"] == "open"
    assert client.post(f"{path}/{action}", headers=admin).status_code == 200


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("*", 200),
        ('"{}"', 200),
        ('"7", "{}"', 200),
        ('  "7" ,"{}" ', 200),
        ('W/"{}"', 412),  # a weak one never matches
        ('"7"', 412),
        ('"x"', 412),
        ('""', 412),
        ('"' + "9" * 40 + '"', 412),
        ('"{},7"', 412),
        ("{}", 422),
        ('"{}', 422),
        ('*, "{}"', 422),
        ("", 422),
        ('"{}" "7"', 422),
    ],
)
def test_if_match_is_read_as_http_says(
    client: Client, admin: Headers, new_coupon: NewCoupon, form: str, status: int
) -> None:
    path = f"/coupons/{new_coupon()}"
    version = client.get(path, headers=admin).get_json()["version"]
    headers = admin | {"If-Match": form.format(version)}
    assert client.patch(path, json={"name": "y"}, headers=headers).status_code == status


def test_of_changes_at_once_to_one_version_exactly_one_is_made(
    client: Client, admin: Headers, new_coupon: NewCoupon
) -> None:
    coupon_id = new_coupon()
    path = f"/coupons/{coupon_id}"
    headers = admin | {"If-Match": client.get(path, headers=admin).headers["ETag"]}

    def change(number: int) -> Any:
        return client.patch(path, json={"name": f"name {number}"}, headers=headers)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(change, range(8)))
    assert sorted(each.status_code for each in answers) == [200] + [412] * 7
    [made] = [each for each in answers if each.status_code == 200]
    assert client.get(path, headers=admin).get_json()["name"] == made.get_json()["name"]
    trail = client.get(f"{path}/audit", headers=admin).get_json()["items"]
    assert [each["action"] for each in trail] == ["change coupon", "create coupon"]


def test_closed_is_said_before_stale(client: Client, admin: Headers, new_coupon: NewCoupon) -> None:
    path = f"/coupons/{new_coupon()}"
    assert client.post(f"{path}/close", headers=admin).status_code == 200
    stale = admin | {"If-Match": '"7"'}
    is_problem(client.patch(path, json={"name": "y"}, headers=stale), 409, "closed")
    again = client.post(f"{path}/close", headers=stale)
    assert (again.status_code, again.get_json()["state"]) == (200, "closed")


def test_a_change_without_if_match_is_428_whatever_else_is_wrong(
    client: Client, admin: Headers, new_coupon: NewCoupon
) -> None:
    path = f"/coupons/{new_coupon()}"
    is_problem(client.patch(path, data="{", headers=admin), 428, "precondition-required")
    absent = client.patch("/coupons/99", json={"name": "x"}, headers=admin)
    is_problem(absent, 428, "precondition-required")
    answer = client.patch(path, json={"nothing": 1}, headers=admin | ANY_VERSION)
    is_problem(answer, 422, "invalid")
