"""A client of Kafka Connect's REST API."""

from http import HTTPStatus
from typing import Any

import requests

from coupons.errors import ConnectorError, ConnectUnavailable
from coupons.links.web import WebService, why_no_response
from coupons.waiting import attempts

ANSWER_TIMEOUT_SECONDS = 20.0
REBALANCE_SECONDS = 60.0

START_OR_SET = "start it, or set COUPON_CONNECT_URL to where it is"
"""What to do when it does not answer."""

_PAUSE_SECONDS = 0.25
_ASK_AGAIN = (HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)


class Connect:
    """One Connect cluster, by the URL of any of its workers, as `coupons.links.web` takes it.

    rebalance_s: how long a call is repeated while Connect answers "rebalance in progress".
    """

    def __init__(
        self,
        url: str,
        answer_timeout_s: float = ANSWER_TIMEOUT_SECONDS,
        rebalance_s: float = REBALANCE_SECONDS,
    ) -> None:
        self._service = WebService(url)
        self._answer_timeout_s = answer_timeout_s
        self._rebalance_s = rebalance_s
        self.url = self._service.url

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any | None:
        """The JSON of the response; None when it has none, and for 404.

        Repeats the call while Connect rebalances. Raises ConnectorError with Connect's message, and
        ConnectUnavailable when Connect does not answer.
        """
        response = self._send(method, path, body)
        for _ in attempts(self._rebalance_s, _PAUSE_SECONDS):
            if response.status_code not in _ASK_AGAIN:
                break
            response = self._send(method, path, body)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        if not response.ok:
            raise ConnectorError(f"Kafka Connect refused {method} {path}: {_message(response)}")
        return response.json() if response.content else None

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        try:
            return self._service.request(method, path, self._answer_timeout_s, body)
        except requests.RequestException as error:
            raise ConnectUnavailable(
                f"Kafka Connect does not answer at {self.url} ({self._cause(error)});"
                f" {START_OR_SET}"
            ) from error

    def _cause(self, error: requests.RequestException) -> str:
        if isinstance(error, requests.Timeout):
            return f"no answer within {self._answer_timeout_s:g} s"
        return why_no_response(error)


def _message(response: requests.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.text[:200]}"
