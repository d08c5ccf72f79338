"""Calls of every operation of the API, with every answer that they are described with."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from coupons.ids import request_id
from coupons.tokens import SCOPES
from tests.api.test_receipts import change
from tests.support.api_process import ADMIN, Bearer
from tests.support.databases import Database
from tests.support.issued import issue
from tests.support.retiring import retire_without_files

Headers = dict[str, str]
Call = Callable[..., Any]
Issued = Callable[[int], None]

MINIMAL = {"name": "x", "total_quantity": 1}
NO_REQUEST = "/issue-requests/00000000-0000-8002-8000-000000000001"
NO_ISSUED = "/issued-coupons/00000000-0000-8002-8000-000000000001"


def ask_everything(call: Call, bearer: Bearer, issued: Issued) -> str:
    """The id of an archived coupon."""
    user, nobody = bearer(42), {"Authorization": "Bearer x"}
    for path in ("/healthz", "/openapi.json"):
        call("GET", path, {})
    coupon = call("POST", "/coupons", json={**MINIMAL, "id": "7"}).json["id"]
    late = {"issue_starts_at": "2090-01-01T00:00:00Z", "eligible_group": "staff"}
    early = call("POST", "/coupons", json={**MINIMAL, **late}).json["id"]
    call("POST", "/coupons", json={**MINIMAL, "id": 7})
    _repeat_a_creation(call, bearer)
    _ask_with_stale_versions(call, bearer, coupon)
    _list(call, bearer, coupon)
    for method, path in (("POST", "/coupons"), ("PATCH", f"/coupons/{coupon}")):
        call(method, path, user, json=MINIMAL)
        call(method, path, nobody, json=MINIMAL)
        call(method, path, data="{", content_type="application/json")
        call(method, path, data="{}", content_type="text/plain")
        call(method, path, json={"total_quantity": "1"})
    call("PATCH", f"/coupons/{coupon}", json={"issue_ends_at": None, "valid_for_days": 7})
    call("PATCH", "/coupons/99", json={"name": "y"})
    claimed = call("POST", f"/coupons/{coupon}/issue-requests", user)
    call("POST", f"/coupons/{coupon}/issue-requests", user)
    for refused in (coupon, early, "99"):
        call("POST", f"/coupons/{refused}/issue-requests", bearer(43))
    call("PATCH", f"/coupons/{early}", json={"issue_starts_at": None})
    call("POST", f"/coupons/{early}/issue-requests", user)
    call("POST", f"/coupons/{coupon}/issue-requests", nobody)
    call("GET", f"/coupons/{coupon}", user)
    call("GET", "/coupons/99", user)
    call("GET", f"/coupons/{coupon}", nobody)
    call("GET", claimed.headers["Location"], user)
    call("GET", f"{NO_REQUEST}?wait=0", user)
    call("GET", f"{NO_REQUEST}?wait=x", user)
    call("GET", NO_REQUEST, nobody)
    for path in (f"/coupons/{coupon}/issue-requests/me", claimed.headers["Location"]):
        for who in (user, nobody):
            call("GET", f"{path}/timeline", who)
    for path in ("/coupons/99/issue-requests/me", NO_REQUEST):
        call("GET", f"{path}/timeline", user)
    for query, headers in (("?page_size=1", user), ("?cursor=x", user), ("", nobody)):
        call("GET", f"/users/me/coupons{query}", headers)
    for action in ("pause", "resume", "close"):
        for of in (coupon, "99"):
            call("POST", f"/coupons/{of}/{action}")
        call("POST", f"/coupons/{coupon}/{action}", user)
        call("POST", f"/coupons/{coupon}/{action}", nobody)
    for action in ("pause", "resume"):
        call("POST", f"/coupons/{coupon}/{action}")
    call("PATCH", f"/coupons/{coupon}", json={"name": "y"})
    _ask_about_codes(call, user, nobody, issued)
    _erase(call, user, nobody)
    for of in (early, "99"):
        call("POST", f"/coupons/{of}/archive")
    for who in (user, nobody):
        call("POST", f"/coupons/{coupon}/archive", who)
    archived = call("POST", "/coupons", json=MINIMAL).json["id"]
    for action in ("close", "archive", "close"):
        call("POST", f"/coupons/{archived}/{action}")
    return str(archived)


def _ask_about_codes(call: Call, user: Headers, nobody: Headers, issued: Issued) -> None:
    def of(coupon: int, who: int = 42) -> str:
        return f"/issued-coupons/{request_id(coupon, who)}/code"

    codes, pool, free = (f"/coupons/31/codes{end}" for end in ("", "/pool", "/free"))
    for coupon in (31, 32, 33, 34):
        issued(coupon)
    for kind, path in (("made", "/coupons/32/codes"), ("pool", "/coupons/33/codes")):
        call("PUT", path, json={"kind": kind})
    for path in (codes, "/coupons/99/codes"):
        call("GET", path)
        call("PUT", path, json={"kind": "pool"})
    for headers in (user, nobody):
        call("GET", codes, headers)
        call("PUT", codes, headers, json={"kind": "made"})
        call("POST", pool, headers, data="A", content_type="text/plain")
        call("DELETE", free, headers)
        call("GET", "/codes/A", headers)
    call("POST", of(31), nobody)
    call("PUT", codes, data="{", content_type="application/json")
    call("PUT", codes, data="{}", content_type="text/plain")
    call("PUT", codes, json={"kind": "other"})
    call("POST", pool, data="A\n\n", content_type="text/plain")
    call("POST", pool, json={})
    for other in (32, 99):
        call("POST", f"/coupons/{other}/codes/pool", data="B", content_type="text/csv")
        call("DELETE", f"/coupons/{other}/codes/free")
    call("PUT", codes, json={"kind": "made"})
    for coupon in (31, 33, 34, 99):
        call("POST", of(coupon), user)
    call("GET", "/codes/a")
    call("GET", "/codes/b")
    call("DELETE", free)


def _erase(call: Call, user: Headers, nobody: Headers) -> None:
    """User 42 has a request that is not final."""
    proof = call("POST", "/users/77/erasures").headers["Location"]
    for of in ("42", "0"):
        call("POST", f"/users/{of}/erasures")
    call("GET", proof)
    call("GET", f"/erasures/{UUID(int=7)}")
    for who in (user, nobody):
        call("POST", "/users/77/erasures", who)
        call("GET", proof, who)


def _repeat_a_creation(call: Call, bearer: Bearer) -> None:
    repeatable = bearer(ADMIN, SCOPES) | {"Idempotency-Key": "k"}
    for name in ("x", "x", "y"):
        call("POST", "/coupons", repeatable, json={**MINIMAL, "name": name})
    call("POST", "/coupons", bearer(ADMIN, SCOPES) | {"Idempotency-Key": ""}, json=MINIMAL)


def _ask_with_stale_versions(call: Call, bearer: Bearer, coupon: str) -> None:
    admin = bearer(ADMIN, SCOPES)
    call("PATCH", f"/coupons/{coupon}", admin, json={"name": "y"})
    for tags in ('"7"', "7"):
        stale = admin | {"If-Match": tags}
        call("PATCH", f"/coupons/{coupon}", stale, json={"name": "y"})
        for action in ("pause", "resume", "close", "archive"):
            call("POST", f"/coupons/{coupon}/{action}", stale)


def _list(call: Call, bearer: Bearer, coupon: str) -> None:
    for path in ("/coupons", f"/coupons/{coupon}/audit"):
        for query in ("", "?page_size=1", "?cursor=x"):
            call("GET", path + query)
        call("GET", path, bearer(42))
        call("GET", path, {"Authorization": "Bearer x"})
    call("GET", "/coupons/99/audit")


def change_what_is_issued(call: Call, bearer: Bearer, *ids: UUID) -> None:
    """ids: of three issued coupons; the last one has expired."""
    user, nobody, staff = bearer(42), {"Authorization": "Bearer x"}, bearer(1, ["coupon:ops"])
    one, revoked, expired = (f"/issued-coupons/{issued_id}" for issued_id in ids)
    order, other, reason = ({"order_reference": "A"}, {"order_reference": "B"}, {"reason": "fraud"})
    for path in (one, f"{one}/changes"):
        call("GET", path, user)
        call("GET", path, nobody)
        call("GET", path, bearer(43))
    call("GET", f"{one}/changes?cursor=x", user)
    for action, right in (("use", order), ("cancel-use", order), ("revoke", reason)):
        call("POST", f"{one}/{action}", nobody, json=right)
        call("POST", f"{one}/{action}", staff, json=right)
        call("POST", f"{NO_ISSUED}/{action}", bearer(1, SCOPES), json=right)
        call("POST", f"{one}/{action}", data="{", content_type="application/json")
        call("POST", f"{one}/{action}", data="{}", content_type="text/plain")
        call("POST", f"{one}/{action}", json={"text": ""})
    call("POST", f"{revoked}/revoke", json=reason)
    for body in (order, other):
        call("POST", f"{one}/use", user, json=body)
    call("POST", f"{one}/revoke", json=reason)
    call("POST", f"{one}/cancel-use", user, json=order)
    for body in (other, order, other):
        call("POST", f"{one}/cancel-use", json=body)
    for of in (expired, revoked):
        for action, right in (("use", order), ("cancel-use", order), ("revoke", reason)):
            call("POST", f"{of}/{action}", json=right)


def ask_for_receipts(call: Call, bearer: Bearer, database: Database) -> None:
    path = f"/issued-coupons/{request_id(7, 42)}/receipt"
    issue(database, (7, 42))
    call("GET", "/.well-known/jwks.json", {})
    call("GET", path, bearer(42))
    call("GET", path, bearer(43))
    call("GET", path, {"Authorization": "Bearer x"})
    change(database, 7, 42, "use")
    call("GET", path, bearer(42))


def ask_of_a_retired(call: Call, bearer: Bearer, archived: str, database: Database) -> None:
    """What belonged to the coupon; its rows are in files."""
    call("PUT", f"/coupons/{archived}/codes", json={"kind": "pool"})
    retire_without_files(database, int(archived))
    given = request_id(int(archived), ADMIN)
    request, one = f"/issue-requests/{given}", f"/issued-coupons/{given}"
    for path in (request, f"{request}/timeline", one, f"{one}/changes", f"{one}/receipt"):
        call("GET", path)
    for action in ("use", "cancel-use"):
        call("POST", f"{one}/{action}", json={"order_reference": "A"})
    call("POST", f"{one}/revoke", json={"reason": "fraud"})
    call("POST", f"{one}/code")
    call("PUT", f"/coupons/{archived}/codes", json={"kind": "made"})
    call("POST", f"/coupons/{archived}/codes/pool", data="B", content_type="text/plain")
    call("DELETE", f"/coupons/{archived}/codes/free")


def ask_without_redis(call: Call, archived: str) -> None:
    coupon = call("POST", "/coupons", json=MINIMAL).json["id"]
    call("PATCH", f"/coupons/{coupon}", json={"name": "y"})
    for action in ("pause", "resume", "close"):
        call("POST", f"/coupons/{coupon}/{action}")
    call("POST", f"/coupons/{archived}/archive")
    call("POST", f"/coupons/{coupon}/issue-requests")


def ask_without_postgres(call: Call) -> None:
    call("POST", "/coupons", json=MINIMAL)
    call("PATCH", "/coupons/7", json={"name": "y"})
    for action in ("pause", "resume", "close", "archive"):
        call("POST", f"/coupons/7/{action}")
    for action in ("use", "cancel-use"):
        call("POST", f"{NO_ISSUED}/{action}", json={"order_reference": "A"})
    call("POST", f"{NO_ISSUED}/revoke", json={"reason": "fraud"})
    call("PUT", "/coupons/31/codes", json={"kind": "made"})
    call("POST", "/coupons/31/codes/pool", data="B", content_type="text/plain")
    call("DELETE", "/coupons/31/codes/free")
    call("POST", "/users/77/erasures")
    call("POST", f"/issued-coupons/{request_id(31, 1)}/code")
    issued = (NO_ISSUED, f"{NO_ISSUED}/changes", f"/issued-coupons/{request_id(7, ADMIN)}/receipt")
    listed = ("/coupons", "/coupons/7", "/coupons/7/audit", NO_REQUEST, "/users/me/coupons")
    timelines = ("/coupons/7/issue-requests/me/timeline", f"{NO_REQUEST}/timeline")
    for path in (
        *listed,
        *issued,
        *timelines,
        "/coupons/31/codes",
        "/codes/a",
        f"/erasures/{UUID(int=7)}",
    ):
        call("GET", path)
