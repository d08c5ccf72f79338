"""The list of coupons, and the audit trail of one."""

from contextlib import suppress
from typing import Literal, get_args

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import ADMIN, OPS, Authenticator
from api.backward_pages import BackwardPage, cursor_before, page_parameters
from api.bodies import read_query
from api.fields import LONGEST_NAME, Name, text_schema
from api.openapi_links import links_to
from api.openapi_parts import COUPON_ID, READ_PROBLEMS, DocumentPart, operation, response
from api.problems import ProblemType
from api.responses import RawResponse, json_response
from api.routes.coupon_problems import no_such_coupon
from api.routes.coupon_responses import CouponResponses
from api.schemas import CouponActionPage, CouponPage, view_action
from coupons.errors import CouponUnreadable
from coupons.gate import Gate
from coupons.ids import MAX_COUPON_ID
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.coupon_actions import NEWEST, list_coupon_actions
from coupons.ledger.coupon_pages import page_of_coupons
from coupons.ledger.coupons import find_coupon

ListedState = Literal["draft", "open", "paused", "closed", "archived", "scheduled", "ended"]


class CouponListQuery(BackwardPage):
    """Query of GET /coupons."""

    state: ListedState | None = None
    name: Name | None = None


class CouponListRoutes:
    """GET /coupons and GET /coupons/{id}/audit."""

    def __init__(self, authenticator: Authenticator, gate: Gate, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._pool = pool
        self._responses = CouponResponses(gate)

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "GET /coupons": self.list_coupons,
            "GET /coupons/<coupon_id:coupon_id>/audit": self.audit,
        }
        return blueprint_of("coupon_lists", views)

    def list_coupons(self) -> RawResponse:
        """A page of coupons, the greatest id first."""
        self._authenticator.caller(request, ADMIN, OPS)
        wanted = read_query(request, CouponListQuery)
        before, most = wanted.before(MAX_COUPON_ID + 1), wanted.page_size + 1
        with pooled(self._pool) as connection:
            name, state = wanted.name or "", wanted.state or ""
            found = page_of_coupons(connection, name, state, before, most)
        shown, last = wanted.shown(found)
        cursor = None if last is None else cursor_before(last[0])
        body: CouponPage = {
            "items": self._responses.views([coupon for _, coupon in shown if coupon is not None]),
            "unreadable": [str(coupon_id) for coupon_id, coupon in shown if coupon is None],
            "next_cursor": cursor,
        }
        return json_response(body, 200, wanted.next_link("/coupons", cursor))

    def audit(self, coupon_id: int) -> RawResponse:
        """A page of what was done to a coupon, newest first."""
        self._authenticator.caller(request, ADMIN, OPS)
        wanted = read_query(request, BackwardPage)
        before, most = wanted.before(NEWEST), wanted.page_size + 1
        with pooled(self._pool) as connection:
            found = list_coupon_actions(connection, coupon_id, before, most)
            with suppress(CouponUnreadable):  # it exists
                if not found and find_coupon(connection, coupon_id) is None:
                    raise no_such_coupon(coupon_id)
        shown, last = wanted.shown(found)
        cursor = None if last is None else cursor_before(last.action_id)
        body: CouponActionPage = {
            "items": [view_action(action) for action in shown],
            "next_cursor": cursor,
        }
        path = f"/coupons/{coupon_id}/audit"
        return json_response(body, 200, wanted.next_link(path, cursor))


def openapi_part() -> DocumentPart:
    """These routes in the API's description."""
    state = {
        "name": "state",
        "in": "query",
        "description": "Left out: all but archived ones. `scheduled`: open, and not started."
        " `ended`: its time is over, and it is open or paused",
        "schema": {"type": "string", "enum": list(get_args(ListedState))},
    }
    name = {
        "name": "name",
        "in": "query",
        "description": "A part of the name, in any case; or an id",
        "schema": text_schema(LONGEST_NAME),
    }
    first = links_to("readCoupon", id="$response.body#/items/0/id")
    listing = operation(
        "listCoupons",
        "List coupons",
        {"200": response("A page, the greatest id first", CouponPage, "Link", links=first)},
        (ProblemType.INVALID, *READ_PROBLEMS),
        scope=(ADMIN, OPS),
        query=[state, name, *page_parameters()],
    )
    audit = operation(
        "auditCoupon",
        "See who changed a coupon",
        {"200": response("A page, newest first", CouponActionPage, "Link")},
        (ProblemType.NOT_FOUND, ProblemType.INVALID, *READ_PROBLEMS),
        scope=(ADMIN, OPS),
        query=page_parameters(),
    )
    paths = {
        "/coupons": {"get": listing},
        "/coupons/{id}/audit": {"parameters": [COUPON_ID], "get": audit},
    }
    return DocumentPart(paths, views=(CouponPage, CouponActionPage))
