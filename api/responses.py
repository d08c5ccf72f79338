"""Responses as they are sent to the client; Flask's own response objects cost more than a claim."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from flask import Response


class RawResponse(NamedTuple):
    """What is sent to the client. headers: by lower-case name."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


_EVERY_RESPONSE = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
"""What a token's owner reads is for nobody's cache, and JSON is never taken for a page."""


def json_response(
    body: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> RawResponse:
    """A response with `body` as JSON. headers: by lower-case name."""
    first = [("content-type", content_type), *_EVERY_RESPONSE]
    all_headers = [*first, *headers.items()] if headers else first
    return RawResponse(status, all_headers, orjson.dumps(body))


def raw_response_of(response: Response) -> RawResponse:
    """A response that Flask has made by itself, such as to OPTIONS."""
    headers = [
        (name.lower(), value)
        for name, value in response.headers.to_wsgi_list()
        if name != "Content-Length"  # the server adds it
    ]
    return RawResponse(response.status_code, headers, response.get_data())
