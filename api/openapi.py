"""The API's description (OpenAPI 3.1), made from the models of its requests and answers."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from api.authentication import ADMIN, ISSUE
from api.bodies import LONGEST_WAIT_SECONDS, CouponChange, NewCoupon
from api.problems import Kind
from api.views import CouponView, IssuedCouponPage, IssueRequestView
from coupons.ids import MAX_COUPON_ID

_REFERENCE = "#/components/schemas/{model}"
_COUPON_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_COUPON_ID},
}
_REQUEST_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
_REFUSALS = (Kind.NOT_OPEN, Kind.CLOSED, Kind.PAUSED, Kind.SOLD_OUT)
_BODY = (Kind.MALFORMED_JSON, Kind.BODY_TOO_LARGE, Kind.NOT_JSON, Kind.INVALID)
_LEDGER = (Kind.LEDGER_UNAVAILABLE,)
_CHANGE_TROUBLES = (Kind.GATE_UNAVAILABLE, Kind.LEDGER_UNAVAILABLE)
_VIEWS = (IssueRequestView, CouponView, IssuedCouponPage)
_CLAIM_TROUBLES = (
    Kind.GATE_CLOSED,
    Kind.GATE_UNAVAILABLE,
    Kind.LEDGER_UNAVAILABLE,
    Kind.OUTCOME_UNKNOWN,
    Kind.OVERLOADED,
)


@cache
def describe() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Coupon CDC",
            "version": "1",
            "description": "First-come-first-served coupons. Errors are application/problem+json"
            " (RFC 9457); their `type` is stable.",
        },
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
            "/healthz": {"get": _open("The process is alive")},
            "/openapi.json": {"get": _open("This document")},
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "schemas": _schemas(),
        },
    }


def _create() -> dict[str, Any]:
    answers = {"201": _answer("Created", CouponView, "Location")}
    kinds = (*_BODY, Kind.ID_TAKEN, *_LEDGER)
    return _operation("Create a coupon", answers, kinds, scope=ADMIN, body=NewCoupon)


def _read() -> dict[str, Any]:
    return _operation(
        "Read a coupon", {"200": _answer("The coupon", CouponView)}, (Kind.NOT_FOUND, *_LEDGER)
    )


def _change() -> dict[str, Any]:
    kinds = (*_BODY, Kind.NOT_FOUND, Kind.CLOSED, Kind.STOCK_BELOW_ISSUED, *_CHANGE_TROUBLES)
    answers = {"200": _answer("The coupon as changed", CouponView)}
    return _operation("Change a coupon", answers, kinds, scope=ADMIN, body=CouponChange)


def _act(action: str) -> dict[str, Any]:
    kinds = (Kind.NOT_FOUND, Kind.CLOSED, *_CHANGE_TROUBLES)
    answers = {"200": _answer("The coupon as changed", CouponView)}
    return _operation(f"{action.capitalize()} a coupon", answers, kinds, scope=ADMIN)


def _claim() -> dict[str, Any]:
    answers = {
        "202": _answer(
            "Accepted: the request is durable", IssueRequestView, "Location", "Retry-After"
        ),
        "200": _answer("Accepted before: the same request", IssueRequestView, "Location"),
    }
    kinds = (Kind.NOT_ELIGIBLE, Kind.NOT_FOUND, *_REFUSALS, *_CLAIM_TROUBLES)
    return _operation("Claim a coupon for the token's user", answers, kinds, scope=ISSUE)


def _status() -> dict[str, Any]:
    wait = _query("wait", "number", "Seconds to wait for a final status", 0, LONGEST_WAIT_SECONDS)
    answers = {"200": _answer("The request; Retry-After while it is not final", IssueRequestView)}
    kinds = (Kind.NOT_FOUND, Kind.INVALID, *_LEDGER)
    return {**_operation("Read an issue request", answers, kinds), "parameters": [wait]}


def _own_coupons() -> dict[str, Any]:
    cursor = {"name": "cursor", "in": "query", "schema": {"type": "string"}}
    page_size = _query("page_size", "integer", "Most items of the page", 1, 100)
    answers = {"200": _answer("A page, newest first", IssuedCouponPage)}
    operation = _operation("The user's issued coupons", answers, (Kind.INVALID, *_LEDGER))
    return {**operation, "parameters": [page_size, cursor]}


def _open(summary: str) -> dict[str, Any]:
    return {"summary": summary, "security": [], "responses": {"200": {"description": summary}}}


def _query(name: str, kind: str, text: str, least: int, most: int) -> dict[str, Any]:
    schema = {"type": kind, "minimum": least, "maximum": most}
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _answer(description: str, view: type, *headers: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=view.__name__)}
    answer: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": schema}},
    }
    if headers:
        answer["headers"] = {name: {"schema": {"type": "string"}} for name in headers}
    return answer


def _operation(
    summary: str,
    answers: dict[str, Any],
    kinds: tuple[Kind, ...],
    scope: str | None = None,
    body: type | None = None,
) -> dict[str, Any]:
    kinds = (Kind.UNAUTHENTICATED, *((Kind.INSUFFICIENT_SCOPE,) if scope else ()), *kinds)
    operation: dict[str, Any] = {"summary": summary, "responses": {**answers, **_problems(kinds)}}
    if scope:
        operation["description"] = f"Needs the scope `{scope}`."
    if body is not None:
        schema = {"$ref": _REFERENCE.format(model=body.__name__)}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _problems(kinds: tuple[Kind, ...]) -> dict[str, Any]:
    by_status: dict[int, list[Kind]] = {}
    for kind in kinds:
        by_status.setdefault(kind.value.status, []).append(kind)
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {
        str(status): {
            "description": "; ".join(f"`{kind.type}`: {kind.value.title}" for kind in together),
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status, together in sorted(by_status.items())
    }


def _schemas() -> dict[str, Any]:
    adapters: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (model.__name__, "serialization" if model in _VIEWS else "validation", TypeAdapter(model))
        for model in (*_VIEWS, NewCoupon, CouponChange)
    ]
    _, schemas = TypeAdapter.json_schemas(adapters, ref_template=_REFERENCE)
    return {**schemas["$defs"], "Problem": _problem_schema()}


def _problem_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "enum": [kind.type for kind in Kind]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "reason": {"type": "string"},
            "request_id": {"type": "string", "format": "uuid"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                },
            },
        },
    }
