"""Claims over HTTP on a fixed schedule, whatever the answers: an open loop.

Real users do not wait for each other. So a claim counts from the moment at which it was due, also
when all connections are busy then: a slow system cannot make the load lighter.
"""

import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from coupons.errors import ApiUnavailable, ConfigurationError
from coupons.ids import FIRST_REHEARSAL_ID

ANSWER_TIMEOUT_SECONDS = 20.0
IDLE_SECONDS = 10.0
"""A connection on which nothing came for so long is opened again: the API closes idle ones."""
_CONNECT_TIMEOUT_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_PORTS = {"http": 80, "https": 443}


class Size(NamedTuple):
    """rate: claims a second. users: who claim, each again when all have. quantity: the stock.

    connections: to the API, each of which has one claim under way.
    """

    rate: float
    seconds: float
    users: int
    quantity: int
    connections: int


@dataclass
class Answers:
    """What the claims got so far. Milliseconds count from when a claim was due.

    kinds: by HTTP status, with the type of a problem. late_ms: how late each was sent: this
    process, or all connections, were busy. by_second: answers in each second since the start.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    answered_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    by_second: Counter[int] = field(default_factory=Counter)
    accepted: int = 0
    seconds: float = 0.0


def claim_all(
    url: str, mint: Callable[[int], str], coupon_id: int, size: Size, answers: Answers
) -> None:
    """Send the claims of a rehearsal, and wait for their answers, which are added to `answers`.

    mint: a token for a synthetic user. Raises ApiUnavailable when the API cannot be reached at the
    beginning, or KeyboardInterrupt.
    """
    asyncio.run(_Load(url, mint, coupon_id, size, answers).run())


class _Load:
    def __init__(
        self, url: str, mint: Callable[[int], str], coupon_id: int, size: Size, answers: Answers
    ) -> None:
        address = urlsplit(url)
        if address.scheme not in _PORTS or not address.hostname:
            raise ConfigurationError(f"{url} cannot be used: give the URL of the API")
        self._host, self._port = address.hostname, address.port or _PORTS[address.scheme]
        self._tls = ssl.create_default_context() if address.scheme == "https" else None
        self._head = (
            f"POST {address.path.rstrip('/')}/coupons/{coupon_id}/issue-requests HTTP/1.1\r\n"
            f"Host: {address.netloc.rpartition('@')[2]}\r\nContent-Length: 0\r\n"
            "Authorization: Bearer "
        )
        self._mint = mint
        self._size = size
        self._answers = answers
        self._began = 0.0

    async def run(self) -> None:
        connections = await self._connect_all()
        self._began = time.perf_counter()
        claims = iter(range(round(self._size.rate * self._size.seconds)))
        try:
            async with asyncio.TaskGroup() as group:
                for connection in connections:
                    group.create_task(self._claim(connection, claims))
        finally:
            self._answers.seconds = time.perf_counter() - self._began

    async def _connect_all(self) -> list["_Connection"]:
        try:
            return [await self._connect() for _ in range(self._size.connections)]
        except (OSError, TimeoutError) as error:
            raise ApiUnavailable(
                f"the API does not answer at {self._host}:{self._port} ({error or 'no answer'})"
            ) from error

    async def _connect(self) -> "_Connection":
        opening = asyncio.open_connection(self._host, self._port, ssl=self._tls)
        return _Connection(*await asyncio.wait_for(opening, _CONNECT_TIMEOUT_SECONDS))

    async def _claim(self, connection: "_Connection | None", claims: Iterator[int]) -> None:
        """Take the next claim that nobody has taken, when it is due, until there is none."""
        for number in claims:
            due = self._began + number / self._size.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            user_id = FIRST_REHEARSAL_ID + number % self._size.users
            request = f"{self._head}{self._mint(user_id)}\r\n\r\n".encode()
            self._answers.late_ms.append((time.perf_counter() - due) * 1000)
            if connection is not None and connection.idle_seconds() > IDLE_SECONDS:
                connection.close()
                connection = None
            try:
                connection = connection or await self._connect()
                answering = connection.ask(request)
                kind = await asyncio.wait_for(answering, ANSWER_TIMEOUT_SECONDS)
            except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError):
                kind = "no answer"
                if connection is not None:
                    connection.close()
                connection = None
                await asyncio.sleep(_PAUSE_SECONDS)
            self._count(kind, due)
        if connection is not None:
            connection.close()

    def _count(self, kind: str, due: float) -> None:
        now = time.perf_counter()
        answers = self._answers
        answers.kinds[kind] += 1
        answers.accepted += kind == "202"
        answers.answered_ms.append((now - due) * 1000)
        answers.by_second[int(now - self._began)] += kind != "no answer"


class _Connection:
    """One connection, with one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._used_at = time.perf_counter()

    def idle_seconds(self) -> float:
        return time.perf_counter() - self._used_at

    async def ask(self, request: bytes) -> str:
        """The status of the answer, with the type of a problem. Raises OSError or EOFError."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = head[9:12].decode()
        body = await self._reader.readexactly(_body_length(head))
        self._used_at = time.perf_counter()
        return status if status in ("200", "202") else f"{status} {_problem(body)}".strip()

    def close(self) -> None:
        """Close it without waiting."""
        with suppress(OSError, RuntimeError):
            self._writer.close()


def _body_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def _problem(body: bytes) -> str:
    """The last word of a problem's type; empty when the body is none."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        return str(json.loads(body)["type"]).rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    return ""
