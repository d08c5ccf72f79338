"""The calling user's own coupons."""

from flask import Blueprint, request

from api.app import Views, blueprint_of
from api.authentication import Authenticator
from api.bodies import read_query
from api.fields import ID_PATTERN
from api.issued_schemas import IssuedCouponPage, view_issued
from api.openapi_links import issued_coupon_links
from api.openapi_parts import READ_PROBLEMS, DocumentPart, operation, page_query, response
from api.problems import ProblemType
from api.queries import PageQuery, cursor_of
from api.responses import RawResponse, json_response
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.owned_coupons import list_owned_coupons
from coupons.model import IssuedState


class UserRoutes:
    """GET /users/me/coupons."""

    def __init__(self, authenticator: Authenticator, pool: LedgerPool) -> None:
        self._authenticator = authenticator
        self._pool = pool

    def blueprint(self) -> Blueprint:
        """The routes."""
        views: Views = {
            "GET /users/me/coupons": self.list_coupons,
        }
        return blueprint_of("users", views)

    def list_coupons(self) -> RawResponse:
        """A page of issued coupons, newest first."""
        caller = self._authenticator.caller(request)
        page = read_query(request, PageQuery)
        after = page.after()
        with pooled(self._pool) as connection:
            found = list_owned_coupons(
                connection,
                caller.user_id,
                page.page_size + 1,
                after=after,
                state=page.state,
                coupon_id=page.coupon_id,
            )
        shown = found[: page.page_size]
        last = shown[-1] if len(found) > len(shown) else None
        body: IssuedCouponPage = {
            "items": [view_issued(issued) for issued in shown],
            "next_cursor": None if last is None else cursor_of(last.issued_at, last.coupon_id),
        }
        return json_response(body)


def openapi_part() -> DocumentPart:
    """This route in the API's description."""
    state = {
        "name": "state",
        "in": "query",
        "description": "Only coupons in this state",
        "schema": {"type": "string", "enum": [str(each) for each in IssuedState]},
    }
    coupon_id = {
        "name": "coupon_id",
        "in": "query",
        "description": "Only the one of this coupon",
        "schema": {"type": "string", "pattern": ID_PATTERN},
    }
    first = issued_coupon_links("/items/0/id")
    listing = operation(
        "listOwnCoupons",
        "The user's issued coupons",
        {"200": response("A page, newest first", IssuedCouponPage, links=first)},
        (ProblemType.INVALID, *READ_PROBLEMS),
        query=[state, coupon_id, *page_query()],
    )
    return DocumentPart({"/users/me/coupons": {"get": listing}}, views=(IssuedCouponPage,))
