"""Why a call did not give what it was asked for."""

from collections.abc import Mapping
from typing import Any

TYPE_PREFIX = "urn:coupon-cdc:problem:"

_PASSING_STATUSES = (429, 502, 503, 504)
_PASSING_KINDS = ("codes-busy", "idempotency-key-in-progress")
"""Refusals with 409 of which the same call may succeed in a moment."""

_MAYBE_DONE_KINDS = ("gate-unavailable", "internal", "outcome-unknown")


class CouponClientError(Exception):
    """Any failure of a call.

    is_passing: whether the same call may succeed later. retry_after_seconds: when, if the API said
    so. maybe_done: whether it may have been done all the same, by this attempt or an earlier one.
    """

    is_passing = False
    retry_after_seconds: float | None = None
    maybe_done = False


class Refused(CouponClientError):
    """The API refused: str() says what happened, to what, and what to do.

    status: of HTTP. type: the URI of the problem type, which never changes. kind: its last part,
    such as "sold-out"; the reference of problem types explains each. members: the other members of
    the problem, such as "reason", "opens_at" or "errors".
    """

    def __init__(
        self,
        status: int,
        kind_uri: str,
        detail: str,
        members: Mapping[str, Any],
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.type = kind_uri
        self.kind = kind_uri.removeprefix(TYPE_PREFIX)
        self.detail = detail
        self.members = members
        self.retry_after_seconds = retry_after_seconds
        self.is_passing = status in _PASSING_STATUSES or self.kind in _PASSING_KINDS
        # What is between client and API, such as a proxy, does not know whether it was done.
        self.maybe_done = self.kind in _MAYBE_DONE_KINDS or (
            status >= 500 and not kind_uri.startswith(TYPE_PREFIX)
        )


class Unreachable(CouponClientError):
    """No answer of the API, or none that can be read."""

    def __init__(self, what: str, *, maybe_done: bool, is_passing: bool = True) -> None:
        super().__init__(what)
        self.maybe_done = maybe_done
        self.is_passing = is_passing

    def __str__(self) -> str:
        done = "It may have been done." if self.maybe_done else "Nothing was done."
        return f"{self.args[0]} {done}"
