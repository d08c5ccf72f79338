"""One issued coupon: read it and what became of it."""

from typing import Any
from uuid import UUID

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, OPS, REDEEM, Authenticator
from api.bodies import read_query
from api.issued_schemas import ChangePage, IssuedCouponView, view_change, view_issued
from api.openapi_links import issued_coupon_links
from api.openapi_parts import (
    READ_PROBLEMS,
    REQUEST_ID,
    DocumentPart,
    operation,
    page_query,
    response,
)
from api.problems import ProblemType
from api.queries import ChangesQuery, change_cursor_of
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import coupon_and_user_of, no_such_issued_coupon
from api.routes.retired import gone_or
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.owned_coupons import find_owned_coupon, list_changes
from coupons.process.bearer import Caller

_READERS = frozenset((REDEEM, ADMIN, OPS))
_MAY_READ = f"For its user, and for tokens with `{REDEEM}`, `{ADMIN}` or `{OPS}`."


def issued_coupon_reader(authenticator: Authenticator, given_id: UUID) -> tuple[Caller, int, int]:
    """The caller, and coupon and user of an issued coupon that they may read. Raises Problem."""
    caller = authenticator.caller(request)
    coupon_id, user_id = coupon_and_user_of(given_id)
    if caller.user_id != user_id and caller.scopes.isdisjoint(_READERS):
        raise no_such_issued_coupon(given_id)
    return caller, coupon_id, user_id


class IssuedCouponRoutes:
    """GET /issued-coupons/{id} and /changes."""

    def __init__(self, authenticator: Authenticator, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        one = "/issued-coupons/<uuid:given_id>"
        views: Views = {
            f"GET {one}": self.read,
            f"GET {one}/changes": self.list_changes,
        }
        return blueprint_of("issued_coupons", views)

    def read(self, given_id: UUID) -> RawResponse:
        """The coupon as it is now; 404 for those who may not see it."""
        _, coupon_id, user_id = issued_coupon_reader(self._authenticator, given_id)
        with pooled(self._pool) as connection:
            found = find_owned_coupon(connection, user_id, coupon_id)
        if found is None:
            raise gone_or(self._pool, coupon_id, no_such_issued_coupon(given_id))
        return json_response(view_issued(found))

    def list_changes(self, given_id: UUID) -> RawResponse:
        """A page of its changes, oldest first; none: it was never changed."""
        _, coupon_id, user_id = issued_coupon_reader(self._authenticator, given_id)
        page = read_query(request, ChangesQuery)
        after, most = page.after(), page.page_size
        with pooled(self._pool) as connection:
            found = list_changes(connection, user_id, coupon_id, most + 1, after)
            is_there = found or find_owned_coupon(connection, user_id, coupon_id) is not None
        if not is_there:
            raise gone_or(self._pool, coupon_id, no_such_issued_coupon(given_id))
        body: ChangePage = {
            "items": [view_change(change) for change in found[:most]],
            "next_cursor": change_cursor_of(found[most - 1].number) if len(found) > most else None,
        }
        return json_response(body)


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    links = issued_coupon_links("/id")
    read = operation(
        "readIssuedCoupon",
        "Read an issued coupon",
        {"200": response("The issued coupon", IssuedCouponView, links=links)},
        (ProblemType.NOT_FOUND, ProblemType.RETIRED, *READ_PROBLEMS),
        callers=_MAY_READ,
    )
    changes = operation(
        "listChangesOfIssuedCoupon",
        "What became of an issued coupon",
        {"200": response("A page, oldest first", ChangePage)},
        (ProblemType.NOT_FOUND, ProblemType.RETIRED, ProblemType.INVALID, *READ_PROBLEMS),
        callers=_MAY_READ,
        query=page_query(),
    )
    one = "/issued-coupons/{id}"
    paths: dict[str, Any] = {
        one: {"parameters": [REQUEST_ID], "get": read},
        f"{one}/changes": {"parameters": [REQUEST_ID], "get": changes},
    }
    return DocumentPart(paths, views=(IssuedCouponView, ChangePage))
