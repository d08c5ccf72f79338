"""The API's description (OpenAPI 3.1), made from the models of its requests and answers."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from api.authentication import ADMIN, ISSUE
from api.bodies import LONGEST_WAIT_SECONDS, CouponChange, NewCoupon
from api.fields import ID_PATTERN
from api.openapi_parts import (
    ANY_PROBLEM,
    GIVEN_ID,
    answer,
    components,
    headers_named,
    problems,
    reference,
)
from api.problems import ProblemType
from api.schemas import CouponView, IssuedCouponPage, IssueRequestView

_COUPON_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "A coupon's id, below 2^59",
    "schema": {"type": "string", "pattern": ID_PATTERN},
}
_REQUEST_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
_REFUSALS = (ProblemType.NOT_OPEN, ProblemType.CLOSED, ProblemType.PAUSED, ProblemType.SOLD_OUT)
_BODY = (
    ProblemType.MALFORMED_JSON,
    ProblemType.BODY_TOO_LARGE,
    ProblemType.NOT_JSON,
    ProblemType.INVALID,
)
_LEDGER = (ProblemType.LEDGER_UNAVAILABLE,)
_WRITE_TROUBLES = (ProblemType.LEDGER_UNAVAILABLE, ProblemType.OUTCOME_UNKNOWN)
_CLAIM_TROUBLES = (
    ProblemType.GATE_CLOSED,
    ProblemType.GATE_UNAVAILABLE,
    ProblemType.LEDGER_UNAVAILABLE,
    ProblemType.OUTCOME_UNKNOWN,
    ProblemType.OVERLOADED,
)

_JSON = {"application/json": {"schema": {"type": "object"}}}
_STATES = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["status"],
            "additionalProperties": {"type": "string"},
        }
    }
}


@cache
def describe() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Coupon CDC",
            "version": "1",
            "summary": "First-come-first-served coupons",
            "description": "Errors are application/problem+json (RFC 9457); their `type` is stable."
            " Ids are strings of digits, because JavaScript's numbers end at 2^53. Times are"
            " RFC 3339 in UTC. `Retry-After` is drawn at random, so that those who were turned away"
            " together do not come back together.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The API that serves this document"}],
        "security": [{"bearer": []}],
        "paths": {
            "/coupons": {"post": _create()},
            "/coupons/{id}": {"parameters": [_COUPON_ID], "get": _read(), "patch": _change()},
            **{
                f"/coupons/{{id}}/{action}": {"parameters": [_COUPON_ID], "post": _act(action)}
                for action in ("pause", "resume", "close")
            },
            "/coupons/{id}/issue-requests": {"parameters": [_COUPON_ID], "post": _claim()},
            "/issue-requests/{id}": {"parameters": [_REQUEST_ID], "get": _status()},
            "/users/me/coupons": {"get": _own_coupons()},
            "/healthz": {"get": _open("isAlive", "The process is alive", _STATES)},
            "/openapi.json": {"get": _open("readDescription", "This document", _JSON)},
        },
        "components": components(),
    }


def _create() -> dict[str, Any]:
    answers = {"201": answer("Created", CouponView, "Location")}
    kinds = (*_BODY, ProblemType.ID_TAKEN, *_WRITE_TROUBLES)
    return _operation(
        "createCoupon", "Create a coupon", answers, kinds, scope=ADMIN, body=NewCoupon
    )


def _read() -> dict[str, Any]:
    return _operation(
        "readCoupon",
        "Read a coupon",
        {"200": answer("The coupon", CouponView)},
        (ProblemType.NOT_FOUND, *_LEDGER),
    )


def _change() -> dict[str, Any]:
    kinds = (
        *_BODY,
        ProblemType.NOT_FOUND,
        ProblemType.CLOSED,
        ProblemType.STOCK_BELOW_ISSUED,
        *_WRITE_TROUBLES,
    )
    return _operation(
        "changeCoupon", "Change a coupon", _CHANGED, kinds, scope=ADMIN, body=CouponChange
    )


def _act(action: str) -> dict[str, Any]:
    closed = () if action == "close" else (ProblemType.CLOSED,)  # closing twice is the same as once
    kinds = (ProblemType.NOT_FOUND, *closed, *_WRITE_TROUBLES)
    summary = f"{action.capitalize()} a coupon"
    return _operation(f"{action}Coupon", summary, _CHANGED, kinds, scope=ADMIN)


def _claim() -> dict[str, Any]:
    answers = {
        "202": answer(
            "Accepted: the request is durable", IssueRequestView, "Location", "Retry-After"
        ),
        "200": answer(
            "Accepted before: the same request", IssueRequestView, "Location", "Retry-After"
        ),
    }
    kinds = (ProblemType.NOT_ELIGIBLE, ProblemType.NOT_FOUND, *_REFUSALS, *_CLAIM_TROUBLES)
    return _operation(
        "claimCoupon", "Claim a coupon for the token's user", answers, kinds, scope=ISSUE
    )


def _status() -> dict[str, Any]:
    wait = _query("wait", "number", "Seconds to wait for a final status", 0, LONGEST_WAIT_SECONDS)
    answers = {
        "200": answer(
            "The request; Retry-After while it is not final", IssueRequestView, "Retry-After"
        )
    }
    kinds = (ProblemType.NOT_FOUND, ProblemType.INVALID, *_LEDGER)
    return _operation("readRequest", "Read an issue request", answers, kinds, query=[wait])


def _own_coupons() -> dict[str, Any]:
    cursor = {
        "name": "cursor",
        "in": "query",
        "description": "`next_cursor` of the page before",
        "schema": {"type": "string", "maxLength": 100},
    }
    page_size = _query("page_size", "integer", "Most items of the page", 1, 100)
    answers = {"200": answer("A page, newest first", IssuedCouponPage)}
    kinds = (ProblemType.INVALID, *_LEDGER)
    query = [page_size, cursor]
    return _operation("listOwnCoupons", "The user's issued coupons", answers, kinds, query=query)


def _open(name: str, summary: str, content: dict[str, Any]) -> dict[str, Any]:
    alive = {"description": summary, "content": content, "headers": headers_named()}
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "parameters": [GIVEN_ID],
        "responses": {"200": alive},
    }


def _query(name: str, kind: str, text: str, least: int, most: int) -> dict[str, Any]:
    schema = {"type": kind, "minimum": least, "maximum": most}
    return {"name": name, "in": "query", "description": text, "schema": schema}


_CHANGED = {
    "200": answer("The coupon as changed", CouponView),
    "202": answer("Changed in the ledger; the gate could not be told and follows", CouponView),
}


def _operation(
    name: str,
    summary: str,
    answers: dict[str, Any],
    kinds: tuple[ProblemType, ...],
    *,
    scope: str | None = None,
    body: type | None = None,
    query: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    kinds = (
        ProblemType.UNAUTHENTICATED,
        *((ProblemType.INSUFFICIENT_SCOPE,) if scope else ()),
        *kinds,
    )
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "parameters": [GIVEN_ID, *query],
        "responses": {**answers, **problems(kinds), "default": ANY_PROBLEM},
    }
    if scope:
        operation["description"] = f"Needs the scope `{scope}`."
    if body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": reference(body)}},
        }
    return operation
