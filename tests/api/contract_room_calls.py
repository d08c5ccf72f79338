"""Calls of the waiting room, with every answer that they are described with."""

from collections.abc import Callable
from typing import Any

from tests.support.api import ANY_VERSION
from tests.support.api_process import Bearer

Call = Callable[..., Any]

LATER = {"name": "x", "total_quantity": 1, "issue_starts_at": "2090-01-01T00:00:00Z"}
ROOM = {"admits_per_second": 1, "order": "lot"}


def wait_in_rooms(call: Call, bearer: Bearer, admin: dict[str, str]) -> None:
    coupon = call("POST", "/coupons", json={**LATER, "eligible_group": "gold"}).json["id"]
    room, none = f"/coupons/{coupon}/waiting-room", "/coupons/99/waiting-room"
    user, nobody, other = (
        bearer(42, groups=["gold"]),
        {"Authorization": "Bearer x"},
        bearer(43),
    )
    without_room = call("POST", "/coupons", json=LATER).json["id"]
    _set(call, room, none, user, nobody, admin)
    for path in (room, none, f"/coupons/{without_room}/waiting-room"):
        call("POST", path, user, json={})
        call("GET", path, user)
    for who in (other, nobody, bearer(42, ("coupon:ops",))):
        call("POST", room, who, json={})
        call("GET", room, who)
    call("POST", room, user, data="{", content_type="application/json")
    call("POST", room, user, data="{}", content_type="text/plain")
    call("POST", room, user, json={"ticket": "x"})
    for path in (f"{room}/settings", f"{none}/settings"):
        call("GET", path)
    call("GET", f"{room}/settings", nobody)
    call("POST", f"/coupons/{coupon}/close")
    call("PUT", f"{room}/settings", admin | ANY_VERSION, json={**ROOM, "order": "arrival"})
    call("DELETE", f"{room}/settings", admin | ANY_VERSION)


def _set(
    call: Call,
    room: str,
    none: str,
    user: dict[str, str],
    nobody: dict[str, str],
    admin: dict[str, str],
) -> None:
    path, missing = f"{room}/settings", f"{none}/settings"
    some = admin | ANY_VERSION
    call("PUT", path, some, json=ROOM)
    call("DELETE", path, some)
    call("PUT", path, some, data="{", content_type="application/json")
    call("PUT", path, some, data="{}", content_type="text/plain")
    for headers in (some, admin, admin | {"If-Match": '"7"'}, admin | {"If-Match": "7"}, user):
        call("PUT", path, headers, json=ROOM)
        call("DELETE", path, headers)
    for of, headers in ((missing, some), (path, nobody)):
        call("PUT", of, headers, json=ROOM)
        call("DELETE", of, headers)
    call("PUT", path, some, json=ROOM)


def wait_without_redis(call: Call, admin: dict[str, str]) -> None:
    coupon = call("POST", "/coupons", json=LATER).json["id"]
    room = f"/coupons/{coupon}/waiting-room"
    call("PUT", f"{room}/settings", admin | ANY_VERSION, json=ROOM)
    call("DELETE", f"{room}/settings", admin | ANY_VERSION)
    call("POST", room, json={})
    call("GET", room)


def wait_without_postgres(call: Call, admin: dict[str, str]) -> None:
    path = "/coupons/7/waiting-room/settings"
    call("GET", path)
    call("PUT", path, admin | ANY_VERSION, json=ROOM)
    call("DELETE", path, admin | ANY_VERSION)
