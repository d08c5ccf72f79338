"""Responses as JSON, built as cheaply as the hot path asks for."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from flask import Response


class JsonResponse(Response):
    """A response whose whole body is at hand."""

    default_mimetype = "application/json"
    autocorrect_location_header = False


class RawResponse(NamedTuple):
    """What goes to the client. headers: by lower-case name."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def raw_response_of(answer: Response) -> RawResponse:
    """The reply that Flask's response amounts to."""
    return RawResponse(answer.status_code, answer.headers.to_wsgi_list(), answer.get_data())


def raw_json_response(body: Any, status: int, headers: Mapping[str, str]) -> RawResponse:
    """A reply with `body` as JSON, for views that return coroutines: Flask is done with them."""
    return RawResponse(
        status,
        [("content-type", "application/json"), *headers.items()],
        orjson.dumps(body),
    )


def json_response(
    body: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> JsonResponse:
    """A response with `body` as JSON."""
    return JsonResponse(orjson.dumps(body), status, headers, content_type=content_type)
