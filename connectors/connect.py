"""Kafka Connect's REST API, as far as it is needed."""

import time
from http import HTTPStatus
from typing import Any

import requests

from coupons.errors import ConnectorError, ConnectUnavailable
from coupons.web import WebService

ANSWER_TIMEOUT_SECONDS = 20.0
REBALANCE_SECONDS = 60.0
"""How long Connect's "rebalance in progress" is waited out."""

_PAUSE_SECONDS = 0.25
_ASK_AGAIN = (HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)


class Connect:
    """One Connect cluster, by the URL of any of its workers, as `coupons.web` takes it."""

    def __init__(self, url: str) -> None:
        self._service = WebService(url)
        self.url = self._service.url

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any | None:
        """The answer's JSON (None when it has none); None for 404 as well.

        Asks again while Connect rebalances. Raises ConnectorError with what Connect says, or that
        it does not answer.
        """
        deadline = time.monotonic() + REBALANCE_SECONDS
        response = self._send(method, path, body)
        while response.status_code in _ASK_AGAIN and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
            response = self._send(method, path, body)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        if not response.ok:
            raise ConnectorError(f"Kafka Connect refused {method} {path}: {_message(response)}")
        return response.json() if response.content else None

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        try:
            return self._service.request(method, path, ANSWER_TIMEOUT_SECONDS, body)
        except requests.RequestException as error:
            raise ConnectUnavailable(
                f"Kafka Connect does not answer at {self.url} ({_cause(error)});"
                " start it, or set COUPON_CONNECT_URL to where it is"
            ) from error


def _message(response: requests.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.text[:200]}"


def _cause(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"no answer within {ANSWER_TIMEOUT_SECONDS:.0f} s"
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS failed: {error}"
    return "no connection" if isinstance(error, requests.ConnectionError) else str(error)
