"""The API's description (OpenAPI 3.1), collected from the parts of the route modules."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from api.openapi_parts import REFERENCE, DocumentPart
from api.problems import INSTANCE_PREFIX, TYPE_PREFIX, ProblemType

_TEXT_HEADER = {"schema": {"type": "string"}}
_X_REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "Names this HTTP request: echoed, in the log, and in a problem's `instance`."
    " 1 to 128 of `A-Z a-z 0-9 . _ : = + / -`. Left out, or of another form: a new one",
    "schema": {"type": "string"},
}


def build_document(parts: Sequence[DocumentPart]) -> dict[str, Any]:
    """The document of all parts, in their order."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Coupon CDC",
            "version": "1",
            "summary": "First-come-first-served coupons",
            "description": "Errors are application/problem+json (RFC 9457); their `type` is stable."
            " Ids are strings of digits, because JavaScript's numbers end at 2^53. Times are"
            " RFC 3339 in UTC. `Retry-After` is drawn at random, so that clients that were refused"
            " together do not come back together.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The API that serves this document"}],
        "security": [{"bearer": []}],
        "paths": _paths(parts),
        "components": _components(parts),
    }


def _paths(parts: Iterable[DocumentPart]) -> dict[str, Any]:
    """One item a path; several parts may have calls of the same path."""
    paths: dict[str, Any] = {}
    for part in parts:
        for path, item in part.paths.items():
            paths[path] = {**paths.get(path, {}), **item}
    return paths


def _components(parts: Iterable[DocumentPart]) -> dict[str, Any]:
    return {
        "parameters": {"XRequestId": _X_REQUEST_ID},
        "headers": {
            "XRequestId": {
                **_TEXT_HEADER,
                "description": "The id of this HTTP request",
                "required": True,
            },
            "RetryAfter": {
                "description": "Seconds to wait before the next call",
                "schema": {"type": "integer", "minimum": 1},
            },
            "RateLimit": {
                **_TEXT_HEADER,
                "description": "Claims that are left, and seconds until there are more, by limit",
            },
            "RateLimitPolicy": {
                **_TEXT_HEADER,
                "description": "Claims that are allowed in how many seconds, by limit",
            },
            "ETag": {**_TEXT_HEADER, "description": "The coupon's version, for If-Match"},
            "Link": {**_TEXT_HEADER, "description": "The next page, with rel=next"},
            "Location": {**_TEXT_HEADER, "description": "Path of what was made or accepted"},
        },
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        "schemas": _schemas(parts),
    }


def _schemas(parts: Iterable[DocumentPart]) -> dict[str, Any]:
    modes: dict[type, JsonSchemaMode] = {}
    for part in parts:
        modes |= dict.fromkeys(part.bodies, "validation")
        modes |= dict.fromkeys(part.views, "serialization")
    adapters: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (model.__name__, mode, TypeAdapter(model)) for model, mode in modes.items()
    ]
    _, schemas = TypeAdapter.json_schemas(adapters, ref_template=REFERENCE)
    return {**schemas["$defs"], "Problem": _problem_schema()}


def _problem_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Why a call was not done (RFC 9457)",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {
                "type": "string",
                "format": "uri",
                # No enum: a client that was generated from one would not read a later type.
                "x-extensible-enum": [kind.type for kind in ProblemType],
                "description": f"{TYPE_PREFIX} and a name that does not change. Later versions may"
                " have more: treat one that you do not know by its status",
            },
            "title": {"type": "string", "description": "The type in words"},
            "status": {
                "type": "integer",
                "format": "int32",
                "description": "The status of the answer",
            },
            "detail": {
                "type": "string",
                "description": "What happened, to what, and what to do; for people",
            },
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
            "violated-policies": {
                "type": "array",
                "items": {"type": "string", "enum": ["user", "address"]},
                "description": "Of too-many-claims: the limits that are exceeded",
            },
            "errors": {
                "type": "array",
                "description": "Of invalid: each field that is wrong, and why",
                "items": {
                    "type": "object",
                    "required": ["field", "message"],
                    "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                },
            },
        },
    }
