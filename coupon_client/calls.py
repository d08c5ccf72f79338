"""Sends calls, and sends again those that may be repeated.

Nothing is repeated that could be done twice: a method of the client says of each call whether it
may be. A refusal that will not pass ends the call at once.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf
from pathlib import Path
from random import uniform
from time import monotonic, sleep
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.exceptions import InvalidHeader, InvalidJSONError, InvalidURL, SSLError
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from coupon_client.errors import CouponClientError, Refused, Unreachable
from coupon_client.json_values import result_of

CONNECT_SECONDS = 3.0
ATTEMPT_SECONDS = 10.0
"""How long one attempt may be without an answer; uploads and long polls have longer."""

_CANNOT_BE_SENT = (InvalidHeader, InvalidJSONError, InvalidURL)
_STRANGE = (OverflowError, RecursionError, ValueError)
"""What an answer that is none of the API's can raise while it is read."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0

T = TypeVar("T")


class Calls:
    """Calls of one API with one token. Not to be shared between threads.

    within_seconds: how long a call is repeated; its last attempt may take longer. Raises ValueError
    for what cannot be sent, here and in each call.
    """

    def __init__(self, base_url: str, token: str, within_seconds: float) -> None:
        _check(base_url, token, within_seconds)
        self.base_url = base_url.rstrip("/")
        self.token = token
        self.within_seconds = within_seconds
        self._session = requests.Session()
        self._session.auth = self._authorize  # else ~/.netrc would replace the token

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool = True,
        attempt_seconds: float = ATTEMPT_SECONDS,
        file: Path | None = None,
        content: bytes | None = None,
        **more: Any,
    ) -> requests.Response:
        """The answer, which is not a refusal. Raises Refused or Unreachable.

        file: the body, read again for each attempt. content: the body. more: params, json, headers.
        """
        deadline = monotonic() + self.within_seconds
        pauses = _pauses()
        maybe_done = False
        while True:
            try:
                return self._attempt(method, path, attempt_seconds, file or content, more)
            except CouponClientError as error:
                maybe_done = error.maybe_done = maybe_done or error.maybe_done
                pause = max(next(pauses), error.retry_after_seconds or 0.0)
                if not (repeatable and error.is_passing) or monotonic() + pause >= deadline:
                    raise
            sleep(pause)

    def get(self, kind: type[T], method: str, path: str, **more: Any) -> T:
        """The answer as a result of that kind. Arguments and errors as those of `send`."""
        answer = self.send(method, path, **more)
        return self.read(answer, lambda answer: result_of(kind, answer.json()))

    def items(
        self,
        path: str,
        reader: Callable[[dict[str, Any]], list[T]],
        params: dict[str, Any] | None = None,
    ) -> Iterator[T]:
        """The items of a list; each page is read when its first item is asked for.

        reader: the items of a page.
        """

        def read_page(answer: requests.Response) -> tuple[list[T], str | None]:
            page = answer.json()
            return reader(page), page["next_cursor"]

        cursor = None
        while True:
            query = {**(params or {}), "cursor": cursor, "page_size": 100}
            found, cursor = self.read(self.send("GET", path, params=query), read_page)
            yield from found
            if cursor is None:
                return

    def read(self, answer: requests.Response, reader: Callable[[requests.Response], T]) -> T:
        """What the reader makes of the answer. Raises Unreachable: it is none of the API's."""
        try:
            return reader(answer)
        except (*_STRANGE, AttributeError, KeyError, TypeError) as error:
            raise self._no_api() from error

    def _no_api(self) -> Unreachable:
        what = f"What answers at {self.base_url} is not the coupon API: check the URL."
        return Unreachable(what, maybe_done=True, is_passing=False)

    def _authorize(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = f"Bearer {self.token}"
        return prepared

    def _attempt(
        self,
        method: str,
        path: str,
        seconds: float,
        source: Path | bytes | None,
        more: dict[str, Any],
    ) -> requests.Response:
        # While a body is sent, the time to connect is also that in which a part of it is taken.
        connect_seconds = CONNECT_SECONDS if source is None else seconds
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as body:
            try:
                answer = self._session.request(
                    method,
                    self.base_url + path,
                    data=body,
                    timeout=(connect_seconds, seconds),
                    allow_redirects=False,
                    **more,
                )
            except _CANNOT_BE_SENT as error:
                raise ValueError(str(error)) from error
            except requests.RequestException as error:
                raise self._unreachable(error) from error
            except _STRANGE as error:  # such as a header that is no text
                raise self._no_api() from error
        if answer.status_code >= 300:
            raise _refused(answer)
        return answer

    def _unreachable(self, error: requests.RequestException) -> Unreachable:
        if isinstance(error, SSLError):
            what = f"The certificate of the API at {self.base_url} is not trusted: {error}."
            return Unreachable(what, maybe_done=False, is_passing=False)
        if _is_unsent(error):
            what = f"The API cannot be reached at {self.base_url}."
            return Unreachable(what, maybe_done=False)
        return Unreachable(f"The API at {self.base_url} did not answer.", maybe_done=True)


def _check(base_url: str, token: str, within_seconds: float) -> None:
    """Raises ValueError, without what may be a secret."""
    address = urlsplit(base_url)
    if address.scheme not in ("http", "https") or not address.hostname or "@" in address.netloc:
        raise ValueError("The URL of the API is http(s)://HOST:PORT, without a user or password")
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise ValueError("The token has characters that no token has, such as a line break")
    if not 0 <= within_seconds < inf:
        raise ValueError(f"{within_seconds} is no number of seconds")


def _pauses() -> Iterator[float]:
    """Twice as long each time; the jitter keeps clients from coming back at the same moment."""
    step = _FIRST_PAUSE_SECONDS
    while True:
        yield step * uniform(0.5, 1.0)  # noqa: S311
        step = min(_LONGEST_PAUSE_SECONDS, step * 2)


def _is_unsent(error: requests.RequestException) -> bool:
    """Whether there was no connection, so that the API cannot have got the call."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _refused(answer: requests.Response) -> Refused:
    try:
        body = answer.json()
    except _STRANGE:
        body = None
    problem = body if isinstance(body, dict) else {}
    named = ("type", "title", "status", "detail")
    kind_uri, detail = problem.get("type"), problem.get("detail")
    answered = f"It was answered with {answer.status_code} {answer.reason}."
    return Refused(
        answer.status_code,
        kind_uri if isinstance(kind_uri, str) else "about:blank",
        detail if isinstance(detail, str) else answered,
        {name: value for name, value in problem.items() if name not in named},
        _seconds(answer.headers.get("Retry-After", "")),
    )


def _seconds(retry_after: str) -> float | None:
    """What the header says, as seconds or (from a proxy) as a date; None: nothing."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except (OverflowError, ValueError):
        return None
    return max(
        0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    )
