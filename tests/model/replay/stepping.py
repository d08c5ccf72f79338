"""Runs the project's own code a step at a time: it stops where the model has two steps."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import redis
from redis.exceptions import NoScriptError

import coupons.gate
from coupons.gate import Decision, Gate, GateFigures
from coupons.gate.scripts import _digest
from coupons.model import Admission, Claim

_LUA = Path(coupons.gate.__file__).parent / "lua"
_SCRIPTS = {_digest(path.stem): path.stem for path in _LUA.glob("*.lua")}
_STUCK_SECONDS = 20.0

Order = str | BaseException
"""What the code that stopped is told: to go on, and how, or what to raise."""


class Ended(BaseException):
    """The process ended here."""


class Stepped:
    """Code on a thread of its own, which works only while `go` waits for it."""

    def __init__(self) -> None:
        self.at: str | None = None
        self.result: Any = None
        self._orders: Queue[Order] = Queue()
        self._news: Queue[tuple[str | None, Any]] = Queue()
        self._thread: Thread | None = None

    def begin(self, work: Callable[[], Any]) -> None:
        """Run it up to its first stop. Raises what it raises."""

        def run() -> None:
            try:
                self._news.put((None, work()))
            except BaseException as error:
                self._news.put((None, error))

        self._thread = Thread(target=run, daemon=True)
        self._thread.start()
        self._wait()

    def stop(self, at: str) -> str:
        """For the code itself: wait here until it is told what to do."""
        self._news.put((at, None))
        order = self._orders.get()
        if isinstance(order, BaseException):
            raise order
        return order

    def go(self, order: Order = "") -> None:
        """Let it run up to its next stop (`at`), or to its end (None), with its result."""
        assert self.at is not None
        self._orders.put(order)
        with suppress(Ended):
            self._wait()

    def end(self) -> None:
        """End it where it stands, if it has not ended."""
        while self.at is not None:
            self.go(Ended())

    def _wait(self) -> None:
        self.at, self.result = self._news.get(timeout=_STUCK_SECONDS)
        if self.at is None and self._thread is not None:
            self._thread.join()
        if isinstance(self.result, BaseException):
            raise self.result


class SteppedGate(Gate):
    """Stops after an admission, before a compensation, after figures were read; and where the
    scripts of `stops` are about to run."""

    def __init__(self, gate: Gate, stepped: Stepped, stops: Iterable[str] = ()) -> None:
        super().__init__(_SteppedClient(gate.client, stepped, stops))  # type: ignore[arg-type]
        self._stepped = stepped
        self.decision: Decision | None = None
        self.given_back: list[Admission] = []

    def admit(self, claims: Sequence[Claim]) -> list[Decision]:
        decisions = super().admit(claims)
        [self.decision] = decisions
        if isinstance(self.decision, Admission):
            self._stepped.stop("admitted")
        return decisions

    def compensate(self, admissions: Iterable[Admission]) -> int:
        self.given_back = list(admissions)
        self._stepped.stop("compensate")
        return super().compensate(self.given_back)

    def figures(self, coupon_ids: Sequence[int]) -> list[GateFigures | None]:
        found = super().figures(coupon_ids)
        self._stepped.stop("figures")
        return found


class _SteppedClient:
    """A client of Redis that stops before some scripts: once, also where the server has to be given
    the script first."""

    def __init__(self, client: redis.Redis, stepped: Stepped, stops: Iterable[str]) -> None:
        self._client = client
        self._stepped = stepped
        self._stops = frozenset(stops)
        self._turned_away: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def evalsha(self, digest: str, keys: int, *keys_and_arguments: str | int) -> Any:
        script = _SCRIPTS.get(digest, "")
        if script in self._stops and script != self._turned_away:
            self._stepped.stop(script)
        self._turned_away = None
        try:
            return self._client.evalsha(digest, keys, *keys_and_arguments)
        except NoScriptError:
            self._turned_away = script
            raise
