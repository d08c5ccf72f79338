"""People who claim over HTTP, from many threads, each answer kept."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import local

import requests

from stack.disposable import DisposableStack

ANSWER_TIMEOUT_SECONDS = 30


class People:
    """Callers of the API of one stack; a connection for each thread."""

    def __init__(self, stack: DisposableStack) -> None:
        self._stack = stack
        self._url = stack.environment["COUPON_API_URL"]
        self._own = local()

    def create_coupon(self, total_quantity: int) -> int:
        """Create a coupon that is open at once; its id."""
        answer = self._call(
            "POST", "/coupons", 1, "coupon:admin", {"name": "T", "total_quantity": total_quantity}
        )
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def claim(self, coupon_id: int, user_id: int) -> requests.Response:
        """One claim."""
        return self._call("POST", f"/coupons/{coupon_id}/issue-requests", user_id, "coupon:issue")

    def read(self, location: str, user_id: int, wait: int = 0) -> requests.Response:
        """The status of a request."""
        return self._call("GET", f"{location}?wait={wait}", user_id, "coupon:issue")

    def claim_all(
        self, coupon_id: int, user_ids: Iterable[int], threads: int
    ) -> list[tuple[int, requests.Response]]:
        """Everybody claims once, as fast as the threads can; who got which answer."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda user: (user, self.claim(coupon_id, user)), user_ids))

    def _call(
        self, method: str, path: str, user_id: int, scope: str, json: object = None
    ) -> requests.Response:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        session: requests.Session = self._own.session
        token = self._stack.token(user_id, scope)
        headers = {"Authorization": f"Bearer {token}"}
        return session.request(
            method, self._url + path, json=json, headers=headers, timeout=ANSWER_TIMEOUT_SECONDS
        )
