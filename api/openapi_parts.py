"""What the route modules build their parts of the OpenAPI document from."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from api.fields import ID_PATTERN
from api.problems import ProblemType

REFERENCE = "#/components/schemas/{model}"
LIMIT_HEADERS = ("RateLimit", "RateLimit-Policy")
"""Of every answer to a claim while there are limits."""
_HEADERS_OF = {
    503: ["Retry-After"],
    409: ["Retry-After"],
    429: ["Retry-After", *LIMIT_HEADERS],
}
"""By status; of the problems with 409 `not-open` and `codes-busy` have it."""
BODY_PROBLEMS = (
    ProblemType.MALFORMED_JSON,
    ProblemType.BODY_TOO_LARGE,
    ProblemType.NOT_JSON,
    ProblemType.INVALID,
)
READ_PROBLEMS = (ProblemType.LEDGER_UNAVAILABLE,)
WRITE_PROBLEMS = (ProblemType.LEDGER_UNAVAILABLE, ProblemType.OUTCOME_UNKNOWN)
COUPON_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "A coupon's id, below 2^59",
    "schema": {"type": "string", "pattern": ID_PATTERN},
}
"""The parameter of a path that names a coupon."""
REQUEST_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The id of an issue request, which its issued coupon has too",
    "schema": {"type": "string", "format": "uuid"},
}
"""The parameter of a path that names an issue request, or an issued coupon."""
_X_REQUEST_ID = {"$ref": "#/components/parameters/XRequestId"}
"""The parameter that every operation takes."""


class DocumentPart(NamedTuple):
    """One route module's part of the document.

    paths: by path. bodies, views: the models that it receives and sends.
    """

    paths: dict[str, Any]
    bodies: tuple[type, ...] = ()
    views: tuple[type, ...] = ()


def operation(
    name: str,
    summary: str,
    responses: dict[str, Any],
    kinds: tuple[ProblemType, ...],
    *,
    scope: str | Sequence[str] | None = None,
    callers: str | None = None,
    body: type | None = None,
    query: Sequence[dict[str, Any]] = (),
    headers: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """One method of a path. kinds: its problems, besides those of authentication.

    scope: one, or several of which one is needed. callers: who may call it, where that is more than
    a scope.
    """
    kinds = (
        ProblemType.UNAUTHENTICATED,
        *((ProblemType.INSUFFICIENT_SCOPE,) if scope else ()),
        *kinds,
    )
    described: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "parameters": [_X_REQUEST_ID, *headers, *query],
        "responses": {**responses, **_problems(kinds), "default": _ANY_PROBLEM},
    }
    if scope or callers:
        scopes = [scope] if isinstance(scope, str) else scope or []
        needed = f"Needs the scope {' or '.join(f'`{each}`' for each in scopes)}."
        described["description"] = callers or needed
    if body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(body)}},
        }
    return described


def public_operation(name: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    """One method of a path that needs no token. schema: of the response."""
    content = {"application/json": {"schema": schema}}
    response = {"description": summary, "content": content, "headers": _headers()}
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "parameters": [_X_REQUEST_ID],
        "responses": {"200": response},
    }


def number_query(name: str, kind: str, text: str, least: int, most: int) -> dict[str, Any]:
    """A parameter of a query that holds a number. kind: number or integer."""
    schema = {"type": kind, "minimum": least, "maximum": most}
    return {"name": name, "in": "query", "description": text, "schema": schema}


def page_query() -> list[dict[str, Any]]:
    """The parameters of a query for a page of a list."""
    cursor = {
        "name": "cursor",
        "in": "query",
        "description": "`next_cursor` of the page before",
        "schema": {"type": "string", "maxLength": 100},
    }
    return [
        number_query("page_size", "integer", "Most items of the page; 20 if left out", 1, 100),
        cursor,
    ]


def response(
    description: str, view: type, *headers: str, links: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A response with a view as its body. headers: those that it has besides X-Request-Id.

    links: what can be called next with what it says.
    """
    return {
        "description": description,
        "content": {"application/json": {"schema": _reference(view)}},
        "headers": _headers(*headers),
        **({"links": links} if links else {}),
    }


def _reference(model: type) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _headers(*names: str) -> dict[str, Any]:
    return {
        name: {"$ref": f"#/components/headers/{name.replace('-', '')}"}
        for name in ("X-Request-Id", *names)
    }


def _problems(kinds: tuple[ProblemType, ...]) -> dict[str, Any]:
    """Responses by status, each with the types of problem that it may be."""
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
    schema = {"$ref": REFERENCE.format(model="Problem")}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
        "headers": _headers(*headers),
    }


_ANY_PROBLEM = _problem("Any other problem, such as `urn:coupon-cdc:problem:internal` (500)")
