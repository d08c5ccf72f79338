"""A load generator for loopback: keep-alive connections, prepared requests, one thread, epoll.

Run it as a separate process, so that it shares no interpreter with the system under load:
  python -m benchmarks.load.generator < job.json > result.json
"""

import json
import selectors
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LONGEST_SECONDS = 600.0
RECONNECT_SECONDS = 0.05
FINAL_STATUSES = ("ISSUED", "REJECTED")


@dataclass
class Job:
    """What to send.

    requests: complete HTTP requests, each sent once and in order; the job ends with the last one or
    with the time. rate: requests a second on a fixed schedule; None: each connection sends its next
    request pause_seconds after the last response. follow: for each request, the HTTP request that
    its connection sends when the claim was accepted, repeated until the status is final. reconnect:
    replace a connection that breaks; False: a broken connection ends the job with an error.
    """

    url: str
    requests: Sequence[str]
    connections: int
    seconds: float
    rate: float | None = None
    pause_seconds: float = 0.0
    follow: Sequence[str] = ()
    reconnect: bool = False


@dataclass
class Result:
    """statuses: responses by HTTP status ("error": the connection broke). Times in milliseconds.

    With a rate, a latency counts from when the request was due, not from when it could be sent.
    began: seconds since 1970. cpu_s: processor time of the generator. accepted: indexes in the job
    of the requests that were answered with 202; accepted_ms: their latencies. outcomes and
    known_ms, of a job that follows: the result of each user (a final status, or the HTTP status of
    a claim that was not accepted), and how long it took.
    """

    seconds: float = 0.0
    began: float = 0.0
    cpu_s: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    accepted_ms: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    known_ms: list[float] = field(default_factory=list)


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    index: int = -1
    due: float = 0.0
    ready_at: float = 0.0
    following: bool = False
    received: bytes = b""


def run(job: Job) -> Result:
    """Send the job's requests and wait for the responses. Raises ValueError for other hosts."""
    address = urlsplit(job.url)
    if address.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError(f"{job.url} is not on this machine; use a loopback address")
    with selectors.DefaultSelector() as selector:
        load = _Load(job, selector, (address.hostname, address.port or 80))
        try:
            load.run()
        finally:
            for key in list(selector.get_map().values()):
                key.data.socket.close()
    return load.result


class _Load:
    def __init__(
        self, job: Job, selector: selectors.BaseSelector, address: tuple[str, int]
    ) -> None:
        self.result = Result()
        self._job = job
        self._selector = selector
        self._address = address
        self._idle: deque[_Connection] = deque()
        self._broken: deque[float] = deque()
        self._in_flight = 0

    def run(self) -> None:
        for _ in range(self._job.connections):
            self._connect()
        self.result.began = time.time()
        cpu, began = time.process_time(), time.perf_counter()
        self._drive(began, began + min(self._job.seconds, LONGEST_SECONDS))
        self.result.seconds = time.perf_counter() - began
        self.result.cpu_s = time.process_time() - cpu

    def _drive(self, began: float, end: float) -> None:
        schedule = self._schedule(began)
        upcoming = next(schedule, None)
        while True:
            now = time.perf_counter()
            while (
                upcoming is not None
                and now < end
                and upcoming[0] <= now
                and self._idle
                and self._idle[0].ready_at <= now
            ):
                self._claim(self._idle.popleft(), upcoming, now)
                upcoming = next(schedule, None)
            if self._in_flight == 0 and (upcoming is None or now >= end):
                break
            self._reconnect(now)
            pause = 0.05
            if upcoming is not None and self._idle and now < end:
                due = max(upcoming[0], self._idle[0].ready_at)
                pause = max(0.0, min(pause, due - now))
            for key, _ in self._selector.select(pause):
                self._receive(key.data)

    def _schedule(self, began: float) -> Iterator[tuple[float, int, bytes]]:
        rate = self._job.rate
        for n, request in enumerate(self._job.requests):
            yield (began + n / rate if rate else 0.0), n, request.encode()

    def _claim(
        self, connection: _Connection, upcoming: tuple[float, int, bytes], now: float
    ) -> None:
        due, connection.index, request = upcoming
        connection.due = due if self._job.rate else now
        connection.following = False
        self._in_flight += 1
        self._send(connection, request)

    def _send(self, connection: _Connection, request: bytes) -> None:
        try:
            connection.socket.sendall(request)
        except OSError as error:
            self._on_broken(connection, error)

    def _receive(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(65536)
            if not data:
                raise ConnectionError("the server closed a connection during the load")
        except OSError as error:
            self._on_broken(connection, error)
            return
        received = connection.received + data
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0 or len(received) < head_end + 4 + _body_length(received[:head_end]):
            connection.received = received
            return
        connection.received = b""
        self._on_response(connection, received[9:12].decode(), received[head_end + 4 :])

    def _on_response(self, connection: _Connection, status: str, body: bytes) -> None:
        now = time.perf_counter()
        waited_ms = (now - connection.due) * 1000
        if not connection.following:
            self.result.statuses[status] += 1
            self.result.latencies_ms.append(waited_ms)
            if status == "202":
                self.result.accepted.append(connection.index)
                self.result.accepted_ms.append(waited_ms)
        if self._job.follow:
            accepted = status in ("200", "202")
            outcome = _final_status(body) if accepted else status
            if outcome is None:
                connection.following = True
                self._send(connection, self._job.follow[connection.index].encode())
                return
            self.result.outcomes[outcome] += 1
            self.result.known_ms.append(waited_ms)
        self._in_flight -= 1
        connection.ready_at = now + self._job.pause_seconds
        self._idle.append(connection)

    def _on_broken(self, connection: _Connection, error: OSError) -> None:
        if not self._job.reconnect:
            raise error
        self._selector.unregister(connection.socket)
        connection.socket.close()
        if connection in self._idle:
            self._idle.remove(connection)
        else:
            self._in_flight -= 1
            self.result.statuses["error"] += 1
        self._broken.append(time.perf_counter() + RECONNECT_SECONDS)

    def _reconnect(self, now: float) -> None:
        while self._broken and self._broken[0] <= now:
            self._broken.popleft()
            try:
                self._connect()
            except OSError:
                self._broken.append(now + RECONNECT_SECONDS)
                return

    def _connect(self) -> None:
        connection = _Connection(socket.create_connection(self._address))
        with suppress(OSError):
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._idle.append(connection)


def _body_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    return int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def _final_status(body: bytes) -> str | None:
    status = json.loads(body)["status"]
    return status if status in FINAL_STATUSES else None


def main() -> None:
    """Read a job from standard input, write its result to standard output, both as JSON."""
    result = run(Job(**json.load(sys.stdin)))
    json.dump(vars(result), sys.stdout)


if __name__ == "__main__":
    main()
