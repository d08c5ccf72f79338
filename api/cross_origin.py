"""Cross-origin requests (CORS, Fetch standard): which pages may call this API from a browser.

Off unless COUPON_API_ORIGINS names pages. The API knows no cookies, only tokens that a page has
to send itself, so no origin gets `Access-Control-Allow-Credentials`.
"""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from api.responses import RawResponse

if TYPE_CHECKING:
    from granian.rsgi import Scope

ANY = "*"
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")

_METHODS = "GET, HEAD, POST, PATCH, PUT, DELETE"
_REQUEST_HEADERS = "authorization, content-type, idempotency-key, if-match, x-request-id"
_RESPONSE_HEADERS = (
    "etag, link, location, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id"
)
_REMEMBERED_SECONDS = "600"

Headers = list[tuple[str, str]]


def check_origins(origins: Collection[str]) -> None:
    """Raises ValueError unless each is an origin as a browser sends it, or `*` alone."""
    for each in origins:
        if each == ANY and len(origins) == 1:
            continue
        if not _ORIGIN.fullmatch(each):
            raise ValueError(
                f"{each!r} is no origin: write scheme://host or scheme://host:port in small"
                " letters, without a path; or * alone for every page"
            )


class CrossOrigin:
    """What is added to responses for the pages of these origins.

    origins: as `check_origins` accepts them.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def preflight(self, scope: "Scope") -> RawResponse | None:
        """The response to a browser that asks whether a page may; None: it is no such question."""
        headers = scope.headers
        if scope.method != "OPTIONS" or headers.get("access-control-request-method") is None:
            return None
        return RawResponse(
            204,
            [
                ("access-control-allow-methods", _METHODS),
                ("access-control-allow-headers", _REQUEST_HEADERS),
                ("access-control-max-age", _REMEMBERED_SECONDS),
            ]
            if self._allowed(scope) is not None
            else [],
            b"",
        )

    def headers_of(self, scope: "Scope") -> Headers:
        """The headers that let the page read the response; without a page: only `vary`."""
        allowed = self._allowed(scope)
        # A cache must not give one page's response to another, or to nobody's.
        headers = [("vary", "origin")]
        if allowed is not None:
            headers.append(("access-control-allow-origin", allowed))
            headers.append(("access-control-expose-headers", _RESPONSE_HEADERS))
        return headers

    def _allowed(self, scope: "Scope") -> str | None:
        if ANY in self._origins:
            return ANY
        origin = scope.headers.get("origin")
        return origin if origin in self._origins else None
