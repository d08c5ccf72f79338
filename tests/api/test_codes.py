"""Codes over HTTP: chosen and uploaded by staff, asked for by users, looked up by tills."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from chaos.link import Link
from coupons.codes import make_code
from coupons.ids import request_id
from coupons.waiting import eventually
from tests.support.api_codes import TILL, Codes, kind_of
from tests.support.databases import Database
from tests.support.issued import issue


def test_a_made_code_is_given_once_and_found_however_it_is_typed(
    codes: Codes, issued: Callable[..., int]
) -> None:
    coupon_id = issued(1, 2)
    assert codes.choose(coupon_id, "made").json == {
        "kind": "made",
        "given": 0,
        "free": 0,
        "missing": 0,
    }
    given = codes.ask(coupon_id, 1)
    expected = {
        "code": given.json["code"],
        "issued_coupon_id": str(request_id(coupon_id, 1)),
        "coupon_id": str(coupon_id),
    }
    assert (given.status_code, given.json) == (200, expected)
    assert codes.ask(coupon_id, 1).json == expected
    assert codes.ask(coupon_id, 2).json["code"] != expected["code"]
    typed = expected["code"].lower().replace("1", "l").replace("0", "o").replace("-", "%20")
    for scope in ("coupon:redeem", "coupon:admin"):
        more = {"state": "active", "expires_at": None, "discount": None}
        assert codes.find(typed, (scope,)).json == {**expected, **more}
    assert codes.read(coupon_id)["given"] == 2


def test_a_pool_gives_its_codes_and_is_then_exhausted(
    codes: Codes, issued: Callable[..., int]
) -> None:
    coupon_id = issued(1, 2, 3, total_quantity=3)
    codes.choose(coupon_id, "pool")
    assert kind_of(codes.ask(coupon_id, 1)) == (409, "codes-exhausted")
    file = b'code\r\n"SAVE-1"\r\n\r\nsave 1\r\nSAVE-2'
    uploaded = codes.upload(coupon_id, file, "text/csv; charset=utf-8")
    assert uploaded.json == {
        "header": "code",
        "added": 2,
        "refused": 2,
        "reasons": {"empty": 1, "repeated": 1},
        "first_refused": [{"line": 3, "reason": "empty"}, {"line": 4, "reason": "repeated"}],
    }
    assert codes.read(coupon_id) == {"kind": "pool", "given": 0, "free": 2, "missing": 1}
    given = {codes.ask(coupon_id, user).json["code"] for user in (1, 2)}
    assert given == {"SAVE-1", "SAVE-2"}
    assert kind_of(codes.ask(coupon_id, 3)) == (409, "codes-exhausted")
    assert codes.read(coupon_id) == {"kind": "pool", "given": 2, "free": 0, "missing": 1}
    codes.upload(coupon_id, b"SAVE-3\n")
    assert codes.ask(coupon_id, 3).json["code"] == "SAVE-3"


def test_a_till_learns_from_a_code_what_it_is_worth_and_until_when(
    codes: Codes, issued: Callable[..., int]
) -> None:
    discount = {"percent": 10, "of": ["A", None]}
    coupon_id = issued(1, discount=discount, valid_for_days=1)
    codes.choose(coupon_id, "made")
    asked = codes.ask(coupon_id, 1).json
    found = codes.find(asked["code"]).json
    path = f"/issued-coupons/{asked['issued_coupon_id']}"
    read: Any = codes.client.get(path, headers=codes.bearer(9, TILL)).json
    assert found["discount"] == read["discount"] == discount
    assert found["expires_at"] == read["expires_at"] is not None


def test_calls_at_once_get_the_same_code(codes: Codes, issued: Callable[..., int]) -> None:
    coupon_id = issued(1)
    codes.choose(coupon_id, "made")
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: codes.ask(coupon_id, 1), range(64)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["code"] for answer in answers}) == 1


def test_nobody_else_gets_a_users_code(codes: Codes, issued: Callable[..., int]) -> None:
    """Not even staff; and what was never issued has none."""
    coupon_id = issued(1)
    codes.choose(coupon_id, "made")
    for user, by in ((1, 2), (2, 2)):
        assert kind_of(codes.ask(coupon_id, user, by)) == (404, "not-found")
    for path in ("00000000-0000-4000-8000-000000000001", "00000000-0000-8000-8000-000000000000"):
        answer = codes.client.post(f"/issued-coupons/{path}/code", headers=codes.bearer(1))
        assert kind_of(answer) == (404, "not-found")
    assert codes.read(coupon_id)["given"] == 0


def test_a_coupon_without_codes_says_so(codes: Codes, issued: Callable[..., int]) -> None:
    coupon_id = issued(1)
    assert codes.read(coupon_id) == {"kind": "none", "given": 0, "free": 0, "missing": 0}
    assert kind_of(codes.ask(coupon_id, 1)) == (409, "no-codes")
    assert kind_of(codes.upload(coupon_id, b"A\n")) == (409, "no-pool")
    assert kind_of(codes.upload(99, b"A\n")) == (404, "not-found")


def test_a_revoked_coupon_keeps_its_code_and_gets_no_new_one(
    codes: Codes, issued: Callable[..., int], database: Database
) -> None:
    coupon_id = issued(1, 2)
    codes.choose(coupon_id, "made")
    code = codes.ask(coupon_id, 1).json["code"]
    with psycopg.connect(database.url("coupon_api")) as api:
        for user in (1, 2):
            change = "SELECT change_issued_coupon(%s, %s, 'revoke', NULL, 'fraud', 'a test')"
            api.execute(change, [user, coupon_id])
    assert codes.ask(coupon_id, 1).json["code"] == code
    assert codes.find(code).json["state"] == "revoked"
    assert kind_of(codes.ask(coupon_id, 2)) == (409, "coupon-revoked")


def test_an_expired_coupon_gets_no_new_code(
    codes: Codes, issued: Callable[..., int], database: Database
) -> None:
    coupon_id = issued()
    codes.choose(coupon_id, "made")
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("UPDATE coupon SET valid_until = now() - interval '1 hour'")
    issue(database, (coupon_id, 1))
    assert kind_of(codes.ask(coupon_id, 1)) == (409, "coupon-expired")


def test_the_kind_is_chosen_before_the_first_code(codes: Codes, issued: Callable[..., int]) -> None:
    coupon_id = issued(1)
    for kind in ("pool", "none", "made", "made"):
        assert codes.choose(coupon_id, kind).json["kind"] == kind
    codes.ask(coupon_id, 1)
    assert codes.choose(coupon_id, "made").status_code == 200
    assert kind_of(codes.choose(coupon_id, "pool")) == (409, "codes-exist")
    assert kind_of(codes.choose(99, "made")) == (404, "not-found")
    for wrong in ("MADE", "", None, 1, ["made"]):
        assert kind_of(codes.choose(coupon_id, wrong)) == (422, "invalid")


def test_a_mistyped_code_is_not_searched(
    codes: Codes, issued: Callable[..., int], postgres_link: Link
) -> None:
    """It is refused while Postgres is down; any other code needs it."""
    coupon_id = issued(1)
    codes.choose(coupon_id, "made")
    code = codes.ask(coupon_id, 1).json["code"]
    other = "2" if code[0] != "2" else "3"
    for unknown in (make_code(), "SAVE-1", "x" * 65, "%00", "%C3%84", "..%20a", "%F0%9F%8E%81"):
        assert kind_of(codes.find(unknown)) == (404, "not-found"), unknown
    postgres_link.cut()
    assert kind_of(codes.find(other + code[1:])) == (404, "not-found")
    assert kind_of(codes.find(code)) == (503, "ledger-unavailable")


def test_a_free_code_of_a_pool_is_nobodys(codes: Codes, issued: Callable[..., int]) -> None:
    coupon_id = issued(1)
    codes.choose(coupon_id, "pool")
    codes.upload(coupon_id, b"FREE\n")
    assert kind_of(codes.find("FREE")) == (404, "not-found")
    codes.ask(coupon_id, 1)
    assert codes.find("free").status_code == 200


def test_only_staff_choose_upload_and_find(codes: Codes, issued: Callable[..., int]) -> None:
    coupon_id = issued(1)
    user = codes.bearer(1, ("coupon:issue", "coupon:ops", "coupon:redeem"))

    path = f"/coupons/{coupon_id}/codes"
    for answer in (
        codes.choose(coupon_id, "made", user),
        codes.client.get(path, headers=user),
        codes.client.post(f"{path}/pool", data=b"A" * 5_000, headers=user),
        codes.find("A", ("coupon:issue", "coupon:ops")),
    ):
        assert kind_of(answer) == (403, "insufficient-scope")
    assert kind_of(codes.client.post(f"{path}/pool", data=b"A")) == (401, "unauthenticated")


def test_a_ledger_that_is_down_is_a_503_and_repeating_is_harmless(
    codes: Codes, issued: Callable[..., int], postgres_link: Link
) -> None:
    coupon_id = issued(1)
    codes.choose(coupon_id, "made")
    code = codes.ask(coupon_id, 1).json["code"]
    postgres_link.cut()
    for answer in (codes.ask(coupon_id, 1), codes.choose(coupon_id, "made")):
        assert kind_of(answer) == (503, "ledger-unavailable")
    assert kind_of(codes.upload(coupon_id, b"A\n")) == (503, "ledger-unavailable")
    postgres_link.restore()
    eventually(lambda: codes.ask(coupon_id, 1).status_code == 200)
    assert codes.ask(coupon_id, 1).json["code"] == code
