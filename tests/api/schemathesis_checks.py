"""Checks of our own for schemathesis, which asks the API whatever its document allows, and more."""

import re
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, DeserializationContext, Response

OF_EVERY_CALL = (
    *("malformed-request", "method-not-allowed", "body-timeout", "body-too-large"),
    *("uri-too-long", "headers-too-large"),
)
"""Problems that the document names once, as the default of every operation."""
SAID_IN_WORDS = re.compile(
    r"This cursor was not made by this API"
    r"|U\+[0-9A-F]{4,6} (is a control character|reorders the text)"
    r"|Use at least one visible character"
    r"|Use a number in digits"  # not 1e-9
    r"|Input should be a valid integer"  # not 1.0
    r"|U\+0000 cannot be stored"
    r"|Nest objects and lists at most|Numbers end at 2\^53"
    r"|Use an ETag with its quotes"  # schemathesis 4.32 takes "0" for one
    r"|Use a time from 2000-01-01|Leap seconds"
    r"|issue_ends_at must be (set|later than)|issue_ends_at \(if left out"
    r"|send state alone"
    r"|It is not your ticket for this coupon"
    r"|This group is reserved for rehearsals"
)
"""Of what is refused for a reason that a schema cannot hold: what the API says to it."""


@schemathesis.deserializer("application/json")
def body_of(ctx: DeserializationContext, response: Response) -> Any:
    """The value of a body. Schemathesis 4.32 takes application/jwt, a text, for JSON."""
    is_receipt = response.headers["content-type"] == ["application/jwt"]
    return response.text if is_receipt else response.json()


@schemathesis.check
def what_the_document_allows_is_taken(
    ctx: CheckContext, response: Response, case: Case[Any]
) -> None:
    """422 is for what breaks the schema, or a rule that no schema can hold."""
    if response.status_code != 422 or case.meta is None or case.meta.generation.mode.is_negative:
        return
    problem = response.json()
    if problem["type"].endswith(":idempotency-key-reused"):
        return
    for error in problem["errors"]:
        assert SAID_IN_WORDS.search(error["message"]), f"the document allows it: {error}"


@schemathesis.check
def what_is_answered_is_named(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """The operation names this status, these headers, and the type of this problem."""
    if case.method.lower() != case.operation.method:
        return
    responses = case.operation.definition.raw["responses"]
    problem = {}
    if "application/problem+json" in response.headers.get("content-type", []):
        problem = response.json()
        if problem["type"].rpartition(":")[2] in OF_EVERY_CALL:
            return
    named = responses.get(str(response.status_code))
    assert named is not None, f"{response.status_code} is not named"
    headers = {name.lower() for name in named["headers"]}
    for header in ("x-request-id", "location", "retry-after", "etag", "link"):
        assert header in headers or header not in response.headers, f"{header} is not named"
    assert "type" not in problem or f"`{problem['type']}`" in named["description"]


@schemathesis.check
class MostOperationsSucceed:
    """Otherwise nothing was asked of what lies behind them."""

    BY_CHANCE = 3
    """So many may fail each time: all coupons were used before a receipt was asked for."""
    RARELY = frozenset(
        ("joinLine", "readLine", "leaveLine", "readPosition", "finishAudienceUpload")
    )
    """They need a state that other calls end soon: tests/api/test_standby.py, test_audiences.py and
    test_waiting_rooms.py make them."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._succeeded: set[str] = set()

    def after_response(self, ctx: CheckContext, response: Response, case: Case[Any]) -> None:
        """Notes the operation."""
        if case.method.lower() != case.operation.method:
            return
        name = case.operation.definition.raw["operationId"]
        self._asked.add(name)
        if response.status_code < 300:
            self._succeeded.add(name)

    def after_run(self, ctx: CheckContext) -> None:
        """Fails if too many operations were never answered with 2xx."""
        never = self._asked - self._succeeded - self.RARELY
        assert len(never) <= self.BY_CHANCE, f"never 2xx: {never}"
