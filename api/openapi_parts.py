"""What several operations of the API's description share: answers, problems and schemas."""

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from api.bodies import CouponChange, NewCoupon
from api.problems import INSTANCE_PREFIX, TYPE_PREFIX, ProblemType
from api.schemas import CouponView, IssuedCouponPage, IssueRequestView

_REFERENCE = "#/components/schemas/{model}"
_TEXT_HEADER = {"schema": {"type": "string"}}
_VIEWS = (IssueRequestView, CouponView, IssuedCouponPage)
_HEADERS_OF = {503: ["Retry-After"], 409: ["Retry-After"]}
"""By status; of the problems with 409 `not-open` alone has it."""
GIVEN_ID = {"$ref": "#/components/parameters/XRequestId"}
"""The parameter that every operation takes."""
_GIVEN_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "Names this HTTP request: echoed, in the log, and in a problem's `instance`."
    " Left out, or of another form: a new one",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:=+/-]{1,128}$"},
}


def components() -> dict[str, Any]:
    """All that other places refer to."""
    return {
        "parameters": {"XRequestId": _GIVEN_ID},
        "headers": {
            "XRequestId": {**_TEXT_HEADER, "description": "The id of this HTTP request"},
            "RetryAfter": {
                "description": "Seconds to wait before the next call",
                "schema": {"type": "integer", "minimum": 1},
            },
            "Location": {**_TEXT_HEADER, "description": "Path of what was made or accepted"},
        },
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        "schemas": _schemas(),
    }


def reference(model: type) -> dict[str, Any]:
    """The schema of a body or an answer."""
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def answer(description: str, view: type, *headers: str) -> dict[str, Any]:
    """An answer with a view as its body. headers: those that it has besides."""
    return {
        "description": description,
        "content": {"application/json": {"schema": reference(view)}},
        "headers": headers_named(*headers),
    }


def headers_named(*names: str) -> dict[str, Any]:
    """Of an answer: these and the one that all have."""
    return {
        name: {"$ref": f"#/components/headers/{name.replace('-', '')}"}
        for name in ("X-Request-Id", *names)
    }


def problems(kinds: tuple[ProblemType, ...]) -> dict[str, Any]:
    """Answers by status, each with the kinds of problem that it may be."""
    by_status: dict[int, list[ProblemType]] = {}
    for kind in kinds:
        by_status.setdefault(kind.value.status, []).append(kind)
    return {
        str(status): _problem(
            "; ".join(f"`{kind.type}`: {kind.value.title}" for kind in together),
            *_HEADERS_OF.get(status, ()),
            *(["Location"] if ProblemType.OUTCOME_UNKNOWN in together else []),
        )
        for status, together in sorted(by_status.items())
    }


def _problem(description: str, *headers: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
        "headers": headers_named(*headers),
    }


ANY_PROBLEM = _problem("Any other problem, such as `urn:coupon-cdc:problem:internal` (500)")


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
            "type": {
                "type": "string",
                "format": "uri",
                "enum": [kind.type for kind in ProblemType],
                "description": f"{TYPE_PREFIX} and a name that does not change",
            },
            "title": {"type": "string"},
            "status": {"type": "integer", "format": "int32"},
            "detail": {"type": "string"},
            "instance": {
                "type": "string",
                "format": "uri",
                "description": f"{INSTANCE_PREFIX} and the X-Request-Id",
            },
            "reason": {"type": "string", "description": "Of a claim that was refused: why"},
            "opens_at": {
                "type": "string",
                "format": "date-time",
                "description": "Of not-open: when the coupon opens",
            },
            "request_id": {
                "type": "string",
                "format": "uuid",
                "description": "The issue request that may have been accepted",
            },
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["field", "message"],
                    "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                },
            },
        },
    }
