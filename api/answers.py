"""Responses as JSON, built as cheaply as the hot path asks for."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from flask import Response


class Answer(Response):
    """A response whose whole body is at hand."""

    default_mimetype = "application/json"
    autocorrect_location_header = False


class Reply(NamedTuple):
    """What goes to the client. headers: by lower-case name."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def reply_of(answer: Response) -> Reply:
    """The reply that Flask's response amounts to."""
    return Reply(answer.status_code, answer.headers.to_wsgi_list(), answer.get_data())


def json_reply(body: Any, status: int, headers: Mapping[str, str]) -> Reply:
    """A reply with `body` as JSON, for views that return coroutines: Flask is done with them."""
    return Reply(
        status,
        [("content-type", "application/json"), *headers.items()],
        orjson.dumps(body),
    )


def json_answer(
    body: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Answer:
    """A response with `body` as JSON."""
    return Answer(orjson.dumps(body), status, headers, content_type=content_type)
