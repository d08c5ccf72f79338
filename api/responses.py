"""Responses as they are sent to the client; Flask's own response objects cost more than a claim."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

import orjson
from flask import Response


class RawResponse(NamedTuple):
    """What is sent to the client. headers: by lower-case name."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class StreamedResponse(NamedTuple):
    """A response whose body is sent as it comes, until `chunks` ends. headers: as above."""

    status: int
    headers: list[tuple[str, str]]
    chunks: AsyncGenerator[bytes, None]


def json_response(
    body: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> RawResponse:
    """A response with `body` as JSON. headers: by lower-case name.

    Nothing is cached unless they say so: most of it is for a token's owner alone. JSON is never
    taken for a page.
    """
    sent = {
        "content-type": content_type,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    if headers:
        sent.update(headers)
    return RawResponse(status, list(sent.items()), orjson.dumps(body))


def raw_response_of(response: Response) -> RawResponse:
    """A response that Flask has made by itself, such as to OPTIONS."""
    headers = [
        (name.lower(), value)
        for name, value in response.headers.to_wsgi_list()
        if name != "Content-Length"  # the server adds it
    ]
    return RawResponse(response.status_code, headers, response.get_data())
