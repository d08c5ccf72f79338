"""Responses as JSON, built cheaply for the hot path."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from flask import Response


class JsonResponse(Response):
    """A response whose body is complete."""

    default_mimetype = "application/json"
    autocorrect_location_header = False


class RawResponse(NamedTuple):
    """What is sent to the client. headers: by lower-case name."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def raw_response_of(response: Response) -> RawResponse:
    """A response of Flask as a raw response."""
    return RawResponse(response.status_code, response.headers.to_wsgi_list(), response.get_data())


def raw_json_response(body: Any, status: int, headers: Mapping[str, str]) -> RawResponse:
    """A response with `body` as JSON, for coroutines: they end after Flask is done."""
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
