"""The callers: a steady stream of claims by new users; some of them claim again."""

import http.client
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

from chaos.history import FAILED, LOST, ChangeCall, History, Key, Response, Stock
from coupons.ids import request_id
from coupons.tokens import mint_token
from coupons.waiting import attempts

RESPONSE_TIMEOUT_SECONDS = 10.0
PAUSE_SECONDS = 0.03
REMEMBERED = 200
TRIES_AGAIN = 0.15
ACKNOWLEDGED_WITHIN_SECONDS = 240.0
"""Longer than any incident with its recovery: everything may be stopped for three sessions."""
TOKEN_SECONDS = 3600
_BY_A_TILL = ("order_reference", "coupon:redeem")


class Caller:
    """A client of the API with one connection, for one thread."""

    def __init__(self, url: str, jwt_key: str) -> None:
        address = urlsplit(url)
        assert address.hostname
        self._jwt_key = jwt_key
        self._connection = http.client.HTTPConnection(
            address.hostname, address.port, timeout=RESPONSE_TIMEOUT_SECONDS
        )

    def claim(self, coupon_id: int, user_id: int) -> Response:
        """Claim once; a lost connection counts as a response, with status LOST."""
        began = time.monotonic()
        path = f"/coupons/{coupon_id}/issue-requests"
        status, location, body = self.call_once("POST", path, user_id, "coupon:issue")
        reason = body.get("reason") or _problem(body)
        request_status = str(body.get("status", "")) if status in (200, 202) else ""
        return Response(
            coupon_id,
            user_id,
            status,
            "" if request_status else reason,
            request_status,
            location,
            began,
            time.monotonic(),
            time.time(),
        )

    def change(self, key: Key, wanted: str, reference: str) -> ChangeCall:
        """Use an issued coupon, cancel the use, or revoke it, once."""
        began = time.monotonic()
        path = f"/issued-coupons/{request_id(*key)}/{wanted}"
        about, scope = ("reason", "coupon:admin") if wanted == "revoke" else _BY_A_TILL
        status, _, body = self.call_once("POST", path, 1, scope, {about: reference})
        reason = "" if status == 200 else _problem(body)
        ended = time.monotonic()
        return ChangeCall(*key, wanted, reference, status, reason, began, ended, time.time())

    def join_line(self, coupon_id: int, user_id: int) -> int:
        """Join the standby list once; the status of the response."""
        path = f"/coupons/{coupon_id}/standby"
        return self.call_once("POST", path, user_id, "coupon:issue")[0]

    def give_standby_list(self, coupon_id: int) -> None:
        """Switch the coupon's standby list on; repeat until it is acknowledged."""
        self._administer("PUT", f"/coupons/{coupon_id}/standby-list", {"is_on": True})

    def create_coupon(self, total: int, opens_at: str | None = None) -> int:
        """Create a coupon that is open at once, or from a time on; return its id."""
        wanted = {"name": "of a trial", "total_quantity": total, "issue_starts_at": opens_at}
        _, body = self._administer("POST", "/coupons", wanted)
        return int(body["id"])

    def change_total(self, coupon_id: int, total: int) -> Stock:
        """Change the total; repeat until it is acknowledged."""
        path, wanted = f"/coupons/{coupon_id}", {"total_quantity": total}
        # Nobody else changes it, and a change whose answer was lost is repeated.
        began, body = self._administer("PATCH", path, wanted, {"If-Match": "*"})
        assert body["total_quantity"] == total, body
        return Stock(total, began, time.monotonic())

    def _administer(
        self, method: str, path: str, wanted: object, headers: Mapping[str, str] | None = None
    ) -> tuple[float, dict[str, Any]]:
        """Repeat a call until it succeeds; return when it began, and the body of the response."""
        began = time.monotonic()
        body: dict[str, Any] = {}
        for _ in attempts(ACKNOWLEDGED_WITHIN_SECONDS, PAUSE_SECONDS):
            status, _location, body = self.call_once(
                method, path, 1, "coupon:admin", wanted, headers
            )
            if status in (200, 201):
                return began, body
            # 202: the change is in the ledger and not yet at the gate.
            assert status == 202 or status in FAILED, body
        raise AssertionError(f"not acknowledged within {ACKNOWLEDGED_WITHIN_SECONDS} s: {body}")

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def call_once(
        self,
        method: str,
        path: str,
        user_id: int,
        scope: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str, dict[str, Any]]:
        """Status, Location and body; LOST and the name of the error without a response."""
        try:
            return self._call(method, path, user_id, scope, body, headers)
        except (OSError, http.client.HTTPException) as error:
            return LOST, "", {"type": type(error).__name__, "detail": str(error)}

    def _call(
        self,
        method: str,
        path: str,
        user_id: int,
        scope: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str, dict[str, Any]]:
        token = mint_token(self._jwt_key, user_id, [scope], TOKEN_SECONDS)
        sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            text = body if body is None or isinstance(body, bytes) else json.dumps(body)
            self._connection.request(method, path, text, sent | dict(headers or {}))
            response = self._connection.getresponse()
            return response.status, response.headers.get("Location", ""), _json(response.read())
        except BaseException:
            self._connection.close()
            raise


@contextmanager
def meanwhile(works: Iterable[Callable[[Event], None]]) -> Iterator[None]:
    """Run each in a thread while the block runs. It ends soon after the event is set."""
    stop = Event()
    running = [Thread(target=work, args=[stop], daemon=True) for work in works]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in running:
            thread.join()


class Callers:
    """Threads that claim; the history gets the responses.

    coupons: ids with their weights. pause_s: of a thread, after each response, in seconds. Users
    are numbered from 1; a share of the claims repeats an earlier one, mostly one that failed.
    """

    def __init__(
        self,
        caller: tuple[str, str],
        history: History,
        coupons: dict[int, int],
        seed: str,
        pause_s: float = PAUSE_SECONDS,
    ) -> None:
        self._caller = caller
        self._history = history
        self._coupons = coupons
        self._seed = seed
        self._pause_s = pause_s
        self._users = count(1)

    @contextmanager
    def claiming(self, threads: int) -> Iterator[None]:
        """Claim while the block runs."""
        seeds = [f"{self._seed}/{number}" for number in range(threads)]
        with meanwhile([partial(self._claim, seed) for seed in seeds]):
            yield

    def claim_until_sold_out(self, coupon_id: int, at_most: int) -> None:
        """New users claim, one after the other, until one is not accepted."""
        caller = Caller(*self._caller)
        for _ in range(at_most):
            response = caller.claim(coupon_id, next(self._users))
            self._history.add([response])
            if response.status != 202:
                break
        caller.close()

    def _claim(self, seed: str, stop: Event) -> None:
        rng = random.Random(seed)
        caller = Caller(*self._caller)
        ids, weights = list(self._coupons), list(self._coupons.values())
        again: list[Key] = []
        while not stop.is_set():
            key = _again(again, rng) or (rng.choices(ids, weights)[0], next(self._users))
            response = caller.claim(*key)
            self._history.add([response])
            if response.status in FAILED or rng.random() < TRIES_AGAIN / 3:
                again.append(key)
                del again[:-REMEMBERED]
            stop.wait(self._pause_s)
        caller.close()


def _again(keys: Sequence[Key], rng: random.Random) -> Key | None:
    return rng.choice(keys) if keys and rng.random() < TRIES_AGAIN else None


def _problem(body: dict[str, Any]) -> str:
    """The name of a problem, or of the error of the connection."""
    return str(body.get("type", "")).rpartition(":")[2]


def _json(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
