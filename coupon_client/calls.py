"""Sends calls, and sends again those that may be repeated.

Nothing is repeated that could be done twice: a method of the client says of each call whether it
may be. A refusal that will not pass ends the call at once.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import uniform
from time import monotonic, sleep
from typing import Any, TypeVar

import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from coupon_client.errors import CouponClientError, Refused, Unreachable
from coupon_client.json_values import result_of

CONNECT_SECONDS = 3.0
ATTEMPT_SECONDS = 10.0
"""How long one attempt may be without an answer; uploads and long polls have longer."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0

T = TypeVar("T")


class Calls:
    """Calls of one API with one token. Not to be shared between threads.

    within_seconds: how long a call is repeated; its last attempt may take longer.
    """

    def __init__(self, base_url: str, token: str, within_seconds: float) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"{base_url!r} is no URL of the API: it begins with http(s)://")
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
        **more: Any,
    ) -> requests.Response:
        """The answer, which is not a refusal. Raises Refused or Unreachable.

        file: the body, read again for each attempt. more: params, json, headers.
        """
        deadline = monotonic() + self.within_seconds
        pauses = _pauses()
        while True:
            try:
                return self._attempt(method, path, attempt_seconds, file, more)
            except CouponClientError as error:
                pause = error.retry_after_seconds
                pause = next(pauses) if pause is None else pause
                if not (repeatable and error.is_passing) or monotonic() + pause >= deadline:
                    raise
            sleep(pause)

    def get(self, kind: type[T], method: str, path: str, **more: Any) -> T:
        """The answer as a result of that kind. Arguments and errors as those of `send`."""
        return self._read(self.send(method, path, **more), lambda body: result_of(kind, body))

    def items(
        self,
        path: str,
        reader: Callable[[dict[str, Any]], list[T]],
        params: dict[str, Any] | None = None,
    ) -> Iterator[T]:
        """The items of a list; each page is read when its first item is asked for.

        reader: the items of a page.
        """
        cursor = None
        while True:
            query = {**(params or {}), "cursor": cursor, "page_size": 100}
            answer = self.send("GET", path, params=query)
            found, cursor = self._read(answer, lambda page: (reader(page), page["next_cursor"]))
            yield from found
            if cursor is None:
                return

    def _read(self, answer: requests.Response, reader: Callable[[Any], T]) -> T:
        try:
            return reader(answer.json())
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"What answers at {self.base_url} is not the coupon API: check the URL."
            raise Unreachable(what, maybe_done=True, is_passing=False) from error

    def _authorize(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = f"Bearer {self.token}"
        return prepared

    def _attempt(
        self, method: str, path: str, seconds: float, file: Path | None, more: dict[str, Any]
    ) -> requests.Response:
        with nullcontext() if file is None else file.open("rb") as body:
            try:
                answer = self._session.request(
                    method,
                    self.base_url + path,
                    data=body,
                    timeout=(CONNECT_SECONDS, seconds),
                    allow_redirects=False,
                    **more,
                )
            except requests.RequestException as error:
                raise self._unreachable(error) from error
        if answer.status_code >= 300:
            raise _refused(answer)
        return answer

    def _unreachable(self, error: requests.RequestException) -> Unreachable:
        if _is_unsent(error):
            what = f"The API cannot be reached at {self.base_url}: nothing was done."
            return Unreachable(what, maybe_done=False)
        what = f"The API at {self.base_url} did not answer: it may have been done."
        return Unreachable(what, maybe_done=True)


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
    except ValueError:
        body = None
    problem = body if isinstance(body, dict) else {}
    named = ("type", "title", "status", "detail")
    return Refused(
        answer.status_code,
        str(problem.get("type", "about:blank")),
        str(problem.get("detail", f"It was answered with {answer.status_code} {answer.reason}.")),
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
