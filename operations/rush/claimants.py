"""The users of a rush: each claims over HTTP and waits for the outcome, as a real client does."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, NamedTuple

import requests

from coupons.errors import ApiUnavailable, CouponError
from coupons.links.web import why_no_response
from operations.rush.tally import Tally

ANSWER_TIMEOUT_SECONDS = 20.0
LONGEST_WAIT_SECONDS = 60.0

MintToken = Callable[[int, str], str]
"""Makes a bearer token for a user id and a scope."""


class RushError(CouponError):
    """The API refused what a rush needs."""


class Api(NamedTuple):
    """The API's URL, and how to get tokens for it."""

    url: str
    mint: MintToken


class Caller:
    """One user with a token and a connection, which is open before the rush begins."""

    def __init__(self, api: Api, user_id: int, scope: str) -> None:
        self._url = api.url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {api.mint(user_id, scope)}"
        self.call("GET", "/healthz")

    def call(self, method: str, path: str, **json: Any) -> requests.Response:
        """One call; returns every response, also an error. Raises ApiUnavailable without one."""
        try:
            return self._session.request(
                method, f"{self._url}{path}", json=json or None, timeout=ANSWER_TIMEOUT_SECONDS
            )
        except requests.RequestException as error:
            why = why_no_response(error)
            raise ApiUnavailable(f"the API does not answer at {self._url} ({why})") from error

    def claim(self, coupon_id: int, times: int, tally: Tally) -> None:
        """Claim; if admitted, wait until the request is final."""
        location = None
        for _ in range(times):
            response = self.call("POST", f"/coupons/{coupon_id}/issue-requests")
            tally.answered(_name(response))
            location = response.headers.get("Location") if response.ok else location
        if location is not None:
            tally.final(self._await_final(location))

    def _await_final(self, location: str) -> str:
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while time.monotonic() < deadline:
            response = self.call("GET", f"{location}?wait=10")
            if response.ok and response.json()["status"] != "REQUESTED":
                return str(response.json()["status"])
        return "REQUESTED"


def create_coupon(administrator: Caller, name: str, total_quantity: int) -> int:
    """Create a coupon; return its id."""
    response = administrator.call("POST", "/coupons", name=name, total_quantity=total_quantity)
    if response.status_code != 201:
        raise RushError(f"the coupon could not be created: {response.status_code} {response.text}")
    return int(response.json()["id"])


def rush(api: Api, coupon_id: int, users: int, twice: int, tally: Tally) -> None:
    """All users claim at the same moment, the first `twice` of them twice."""
    barrier = Barrier(users)

    def one(user_id: int) -> None:
        try:
            caller = Caller(api, user_id, "coupon:issue")
        except BaseException:
            barrier.abort()
            raise
        barrier.wait()
        caller.claim(coupon_id, 2 if user_id <= twice else 1, tally)

    with ThreadPoolExecutor(users) as pool:
        for future in [pool.submit(one, user_id) for user_id in range(1, users + 1)]:
            future.result()


def trickle(api: Api, coupon_id: int, users: int, per_second: float) -> int:
    """Users claim one after the other, on a schedule; return how many were accepted."""
    accepted = 0
    began = time.monotonic()
    with requests.Session() as session:
        for user_id in range(1, users + 1):
            time.sleep(max(0.0, began + (user_id - 1) / per_second - time.monotonic()))
            headers = {"Authorization": f"Bearer {api.mint(user_id, 'coupon:issue')}"}
            url = f"{api.url}/coupons/{coupon_id}/issue-requests"
            response = session.post(url, headers=headers, timeout=ANSWER_TIMEOUT_SECONDS)
            accepted += response.status_code == 202
    return accepted


def _name(response: requests.Response) -> str:
    if response.status_code == 202:
        return "admitted"
    if response.status_code == 200:
        return "duplicate"
    if response.status_code in (403, 409):
        return f"refused: {response.json().get('reason', '?')}"
    return f"failed: {response.status_code}"
