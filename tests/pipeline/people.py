"""People who claim over HTTP, from many threads, each answer kept."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock, Thread, local

import requests

from benchmarks.embedded import EmbeddedStack

ANSWER_TIMEOUT_SECONDS = 30


class People:
    """Callers of the API of one stack; a connection for each thread."""

    def __init__(self, stack: EmbeddedStack) -> None:
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


class Steady:
    """What a steady stream of claims by ever new users was answered."""

    def __init__(self) -> None:
        self.accepted: set[int] = set()
        self.statuses: Counter[int] = Counter()
        self.lock = Lock()


@contextmanager
def steady_claims(people: People, coupon_id: int, threads: int) -> Iterator[Steady]:
    """Claim from several threads while the block runs; a lost connection counts as status 0."""
    steady = Steady()
    stop = Event()

    def one(first: int) -> None:
        user = first
        while not stop.is_set():
            status = _status(lambda user=user: people.claim(coupon_id, user))  # type: ignore[misc]
            with steady.lock:
                steady.statuses[status] += 1
                if status in (200, 202):
                    steady.accepted.add(user)
            user += threads
            stop.wait(0.005)

    running = [Thread(target=one, args=(first,)) for first in range(1, threads + 1)]
    for thread in running:
        thread.start()
    try:
        yield steady
    finally:
        stop.set()
        for thread in running:
            thread.join()


def _status(claim: Callable[[], requests.Response]) -> int:
    try:
        return claim().status_code
    except requests.RequestException:
        return 0
