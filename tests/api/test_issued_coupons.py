"""The life of an issued coupon over HTTP: who may do what, once, and what every answer is."""

import pytest
from werkzeug.test import Client

from api import issued_schemas
from coupons.ids import request_id
from coupons.tokens import SCOPES
from tests.api.conftest import (
    ACTIONS,
    NOBODY_HAS,
    ORDER,
    OTHER,
    OTHER_ORDER,
    REASON,
    TILL,
    USER,
    Headers,
    Post,
    changes,
)
from tests.api.test_bad_input import is_problem
from tests.api.test_description import conforms
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import as_owner, issue, make_older


def test_a_new_coupon_is_active_and_says_until_when(
    client: Client, path: str, user: Headers, database: Database
) -> None:
    as_owner(database, """UPDATE coupon SET discount = '{"percent": 12.345678901234567890}'""")
    answer = client.get(path, headers=user)
    assert answer.status_code == 200
    shown = answer.get_json()
    assert shown["id"] == path.rpartition("/")[2]
    assert (shown["user_id"], shown["coupon_name"]) == (str(USER), "Noon sale")
    assert (shown["state"], shown["changed_at"]) == ("active", None)
    assert shown["issued_at"] < shown["expires_at"]
    assert "12.345678901234567890" in answer.text, "numbers are not rounded"
    conforms(issued_schemas.IssuedCouponView, shown)
    assert client.get("/users/me/coupons", headers=user).get_json()["items"] == [shown]


def test_a_coupon_is_used_released_and_used_again(
    client: Client, path: str, user: Headers, till: Headers, post: Post
) -> None:
    used = post(path, "use", till)
    assert (used.status_code, used.json["state"]) == (200, "used")
    assert used.json["order_reference"] == "A-1"
    assert client.get(path, headers=user).json == used.json
    assert post(path, "use", till).json == used.json, "the same order again is harmless"
    is_problem(post(path, "use", till, OTHER_ORDER), 409, "coupon-used")
    is_problem(post(path, "cancel-use", till, OTHER_ORDER), 409, "other-order")
    released = post(path, "cancel-use", till)
    assert (released.json["state"], released.json["order_reference"]) == ("active", None)
    assert post(path, "cancel-use", till).json == released.json
    is_problem(post(path, "cancel-use", till, OTHER_ORDER), 409, "coupon-not-used")
    is_problem(post(path, "use", till), 409, "order-cancelled")
    assert post(path, "use", user, OTHER_ORDER).json["order_reference"] == "B-1"
    found = changes(client, path, user)
    seen = [(each["number"], each["to_state"], each["changed_by"]) for each in found]
    assert seen == [
        (1, "used", "user 900 (coupon:redeem)"),
        (2, "active", "user 900 (coupon:redeem)"),
        (3, "used", "user 42"),
    ]


def test_staff_revokes_a_coupon_that_is_not_used(
    client: Client, path: str, user: Headers, admin: Headers, till: Headers, post: Post
) -> None:
    post(path, "use", user)
    is_problem(post(path, "revoke", admin), 409, "coupon-used")
    post(path, "cancel-use", till)
    revoked = post(path, "revoke", admin)
    assert (revoked.json["state"], revoked.json["reason"]) == ("revoked", "fraud")
    assert post(path, "revoke", admin, {"reason": "another"}).json == revoked.json
    for action in ("use", "cancel-use"):
        is_problem(post(path, action, till, OTHER_ORDER), 409, "coupon-revoked")
    last = changes(client, path, user)[-1]
    assert (last["to_state"], last["reason"], last["order_reference"]) == ("revoked", "fraud", None)


def test_a_coupon_whose_time_is_over_is_expired_at_once(
    client: Client,
    path: str,
    user: Headers,
    admin: Headers,
    till: Headers,
    post: Post,
    database: Database,
) -> None:
    """Whether or not the sweep has written it; a use that is cancelled then ends as expired."""
    post(path, "use", user)
    coupon_id = int(client.get(path, headers=user).get_json()["coupon_id"])
    make_older(database, coupon_id, range(USER, USER + 1))
    assert client.get(path, headers=user).get_json()["state"] == "used"
    assert post(path, "cancel-use", till).json["state"] == "expired"
    is_problem(post(path, "use", user, OTHER_ORDER), 409, "coupon-expired")
    is_problem(post(path, "revoke", admin), 409, "coupon-expired")
    issue(database, (coupon_id, OTHER))
    make_older(database, coupon_id, range(OTHER, OTHER + 1))
    other = f"/issued-coupons/{request_id(coupon_id, OTHER)}"
    assert client.get(other, headers=admin).get_json()["state"] == "expired"
    is_problem(post(other, "use", admin), 409, "coupon-expired")
    assert changes(client, other, admin) == []


def test_who_has_the_coupon_cannot_take_a_use_back(
    client: Client, path: str, user: Headers, till: Headers, post: Post
) -> None:
    """Else one coupon would be worth as many discounts as tills that it is shown to."""
    for using in (till, user):
        used = post(path, "use", using).json
        is_problem(post(path, "cancel-use", user), 403, "insufficient-scope")
        assert client.get(path, headers=user).json == used


def test_to_everybody_else_it_does_not_exist(
    client: Client, path: str, bearer: Bearer, post: Post
) -> None:
    stranger = bearer(OTHER)
    for below in ("", "/changes"):
        is_problem(client.get(f"{path}{below}", headers=stranger), 404, "not-found")
    for action in ("use", "cancel-use"):
        is_problem(post(path, action, stranger), 404, "not-found")
    unknown = post(NOBODY_HAS, "use", stranger)
    hidden = post(path, "use", stranger)
    assert hidden.json["detail"].replace(path[16:], "") == unknown.json["detail"].replace(
        NOBODY_HAS[16:], ""
    )


@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_allows_its_own_and_no_more(
    client: Client, path: str, bearer: Bearer, post: Post, scope: str
) -> None:
    """Of a token of another user, with this scope alone."""
    staff = bearer(TILL, [scope])
    may_read = scope != "coupon:issue"
    assert client.get(path, headers=staff).status_code == (200 if may_read else 404)
    assert client.get(f"{path}/changes", headers=staff).status_code == (200 if may_read else 404)
    refused = 403 if may_read else 404
    for action in ("use", "cancel-use"):
        expected = 200 if scope == "coupon:redeem" else refused
        assert post(path, action, staff).status_code == expected
    assert post(path, "revoke", staff).status_code == (200 if scope == "coupon:admin" else 403)


@pytest.mark.parametrize("action", ACTIONS)
def test_what_nobody_has_is_404(
    client: Client, admin: Headers, bearer: Bearer, post: Post, new_coupon: NewCoupon, action: str
) -> None:
    staff = bearer(1, SCOPES)
    not_issued = f"/issued-coupons/{request_id(new_coupon(), 1)}"
    for path in (NOBODY_HAS, not_issued):
        is_problem(post(path, action, staff), 404, "not-found")
        for below in ("", "/changes"):
            is_problem(client.get(f"{path}{below}", headers=staff), 404, "not-found")


@pytest.mark.parametrize(
    "issued_id",
    ["x", "1", "00000000-0000-4000-8000-000000000001", "00000000-0000-8000-8000-000000000000"],
)
def test_an_id_that_no_issued_coupon_can_have_is_404(
    client: Client, bearer: Bearer, post: Post, issued_id: str
) -> None:
    path, staff = f"/issued-coupons/{issued_id}", bearer(1, SCOPES)
    for below in ("", "/changes"):
        is_problem(client.get(f"{path}{below}", headers=staff), 404, "not-found")
    for action in ACTIONS:
        is_problem(post(path, action, staff), 404, "not-found")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "text",
    ["", " ", "\x00", "A\x00", "A\n", "A\x7f", "A\u202e", "A\ud800", "A\uffff", None, 5, ["A"], {}],
)
def test_a_text_that_cannot_be_shown_is_refused(
    client: Client, path: str, bearer: Bearer, action: str, text: object
) -> None:
    [field] = ACTIONS[action]
    staff = bearer(USER, SCOPES)
    answer = client.post(f"{path}/{action}", json={field: text}, headers=staff)
    if text == "A\ud800":
        is_problem(answer, 400, "malformed-json")
    else:
        is_problem(answer, 422, "invalid")
        assert [error["field"] for error in answer.get_json()["errors"]] == [field]
    assert changes(client, path, staff) == []


@pytest.mark.parametrize(("action", "longest"), [("use", 100), ("revoke", 500)])
def test_the_longest_text_is_kept_and_a_longer_one_refused(
    client: Client, path: str, bearer: Bearer, post: Post, action: str, longest: int
) -> None:
    """Counted in characters, also in those beyond the basic plane."""
    [field] = ACTIONS[action]
    staff = bearer(USER, SCOPES)
    is_problem(post(path, action, staff, {field: "\U0001f600" * (longest + 1)}), 422, "invalid")
    kept = post(path, action, staff, {field: "\U0001f600" * longest})
    assert kept.json[field] == "\U0001f600" * longest


def test_bodies_and_queries_of_another_form_are_refused(
    client: Client, path: str, bearer: Bearer, post: Post
) -> None:
    staff = bearer(USER, SCOPES)
    for action in ACTIONS:
        bodies: list[object] = [{}, [], "A", {**ORDER, **REASON}]
        for body in bodies:
            is_problem(post(path, action, staff, body), 422, "invalid")
        is_problem(client.post(f"{path}/{action}", headers=staff), 415, "not-json")
        is_problem(client.get(f"{path}/{action}", headers=staff), 405, "method-not-allowed")
    for query in ("page_size=0", "page_size=101", "cursor=x", "cursor=MA==", "after=1"):
        is_problem(client.get(f"{path}/changes?{query}", headers=staff), 422, "invalid")
    for query in ("state=ISSUED", "state=", "coupon_id=0", "coupon_id=07", "coupon_id=x", "who=1"):
        is_problem(client.get(f"/users/me/coupons?{query}", headers=staff), 422, "invalid")


def test_the_history_is_read_page_by_page(
    client: Client, path: str, user: Headers, till: Headers, post: Post
) -> None:
    for order in ("A", "B", "C"):
        post(path, "use", user, {"order_reference": order})
        post(path, "cancel-use", till, {"order_reference": order})
    found, cursor = [], ""
    while cursor is not None:
        query = f"?page_size=4&cursor={cursor}" if cursor else "?page_size=4"
        page = client.get(f"{path}/changes{query}", headers=user).get_json()
        found.append([each["number"] for each in page["items"]])
        cursor = page["next_cursor"]
    assert found == [[1, 2, 3, 4], [5, 6]]


def test_a_user_lists_coupons_by_state_and_by_coupon(
    client: Client, user: Headers, post: Post, new_coupon: NewCoupon, database: Database
) -> None:
    ids = [new_coupon() for _ in range(5)]
    issue(database, *((coupon_id, USER) for coupon_id in ids))
    for coupon_id in ids[:3]:
        post(f"/issued-coupons/{request_id(coupon_id, USER)}", "use", user)

    def listed(query: str) -> list[int]:
        page = client.get(f"/users/me/coupons?{query}", headers=user).get_json()
        conforms(issued_schemas.IssuedCouponPage, page)
        rest = f"&cursor={page['next_cursor']}" if page["next_cursor"] else ""
        of_page = [int(item["coupon_id"]) for item in page["items"]]
        base = query.partition("&cursor")[0]
        return of_page + (listed(base + rest) if rest else [])

    assert sorted(listed("state=used&page_size=2")) == ids[:3]
    assert sorted(listed("state=active&page_size=1")) == ids[3:]
    assert listed("state=expired") == []
    assert listed(f"coupon_id={ids[4]}") == [ids[4]]
    assert listed(f"coupon_id={ids[4]}&state=used") == []
