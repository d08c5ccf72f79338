"""Calls of drafts, audiences and standby lists, with every answer that they are described with."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.support.api import ANY_VERSION
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import as_owner

Call = Callable[..., Any]
Headers = dict[str, str]

COUPON = {"name": "x", "total_quantity": 1}
NOBODY = {"Authorization": "Bearer x"}
NONE = "/coupons/99"
PROMOTED = "UPDATE standby_entry SET state = 'promoted', ended_at = now() WHERE coupon_id = %s"


def discard_drafts(call: Call, bearer: Bearer, admin: Headers) -> None:
    draft, other = (
        f"/coupons/{call('POST', '/coupons', json={**COUPON, 'state': state}).json['id']}"
        for state in ("draft", "open")
    )
    for headers in (admin, admin | {"If-Match": '"7"'}, admin | {"If-Match": "7"}):
        call("DELETE", draft, headers)
    for headers in (bearer(42), NOBODY):
        call("DELETE", draft, headers | ANY_VERSION)
    for path in (NONE, other, draft, draft):
        call("DELETE", path, admin | ANY_VERSION)


def list_users_of_coupons(
    call: Call, bearer: Bearer, admin: Headers, reconcile: Callable[[], object]
) -> None:
    """reconcile: brings lists to the gate."""
    coupon = f"/coupons/{call('POST', '/coupons', json=COUPON).json['id']}"
    call("DELETE", f"{coupon}/audience")
    upload = call("POST", f"{coupon}/audience-uploads").headers["Location"]
    missing = f"{coupon}/audience-uploads/{UUID(int=7)}"
    for who in (bearer(42), NOBODY):
        for method in ("GET", "DELETE"):
            call(method, f"{coupon}/audience", who)
        call("POST", f"{coupon}/audience-uploads", who)
        call("GET", upload, who)
        call("PATCH", upload, who | {"Upload-Offset": "0"}, data="1", content_type="text/plain")
        call("POST", f"{upload}/finish", who)
    for method in ("GET", "DELETE"):
        call(method, f"{NONE}/audience")
    call("POST", f"{NONE}/audience-uploads")
    call("GET", missing)
    call("POST", f"{missing}/finish")
    call("POST", f"{upload}/finish")
    at = admin | {"Upload-Offset": "0"}
    for path, headers, kind in (
        (missing, at, "text/plain"),
        (upload, admin, "text/plain"),
        (upload, at, "application/json"),
        (upload, at, "text/plain"),
        (upload, at, "text/plain"),
    ):
        call("PATCH", path, headers, data="42\n", content_type=kind)
    call("GET", upload)
    call("POST", f"{upload}/finish")
    reconcile()
    call("POST", f"{upload}/finish")
    call("GET", f"{coupon}/audience")
    call("DELETE", f"{coupon}/audience")
    call("POST", f"{coupon}/close")
    call("POST", f"{coupon}/audience-uploads")


def wait_in_lines(call: Call, bearer: Bearer, database: Database) -> None:
    user, waits = bearer(42), bearer(43)
    coupon = call("POST", "/coupons", json=COUPON).json["id"]
    line, switch = f"/coupons/{coupon}/standby", f"/coupons/{coupon}/standby-list"
    for path in (switch, f"{NONE}/standby-list"):
        call("PUT", path, json={"is_on": True})
        call("GET", path)
    for who in (user, NOBODY):
        call("PUT", switch, who, json={"is_on": True})
        call("GET", switch, who)
    call("PUT", switch, data="{", content_type="application/json")
    call("PUT", switch, data="{}", content_type="text/plain")
    call("PUT", switch, json={"is_on": 1})
    call("POST", line, waits)
    call("POST", f"/coupons/{coupon}/issue-requests", user)
    for method in ("POST", "GET", "DELETE"):
        for who in (NOBODY, bearer(44, ("coupon:ops",))):
            call(method, line, who)
        call(method, f"{NONE}/standby", waits)
        call(method, line, waits)
        call(method, line, waits)
    call("POST", line, waits)
    as_owner(database, PROMOTED, int(coupon))
    call("DELETE", line, waits)
    call("POST", f"/coupons/{coupon}/close")
    call("PUT", switch, json={"is_on": True})


def ask_for_lists_without_postgres(call: Call, admin: Headers) -> None:
    upload = f"/coupons/7/audience-uploads/{UUID(int=7)}"
    call("DELETE", "/coupons/7", admin | ANY_VERSION)
    for method, path in (
        *(("GET", "/coupons/7/audience"), ("DELETE", "/coupons/7/audience")),
        *(("POST", "/coupons/7/audience-uploads"), ("GET", upload), ("POST", f"{upload}/finish")),
        *((method, "/coupons/7/standby") for method in ("POST", "GET", "DELETE")),
        ("GET", "/coupons/7/standby-list"),
    ):
        call(method, path)
    call("PUT", "/coupons/7/standby-list", json={"is_on": True})
    at = admin | {"Upload-Offset": "0"}
    call("PATCH", upload, at, data="42\n", content_type="text/plain")
