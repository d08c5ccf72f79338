"""A load generator for loopback: keep-alive connections, prepared requests, one thread, epoll.

Run as a process of its own, so that it shares no interpreter with what it measures:
  python -m benchmarks.generator < job.json > result.json
"""

import json
import selectors
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LONGEST_SECONDS = 600.0


@dataclass
class Job:
    """What to send.

    requests: whole HTTP requests, each sent once and in order; the job ends with them or with the
    time. rate: requests a second on a fixed schedule; None: each connection sends at once again.
    """

    url: str
    requests: Sequence[str]
    connections: int
    seconds: float
    rate: float | None = None


@dataclass
class Result:
    """statuses: answers by HTTP status ("error": the connection broke). Latencies in milliseconds.

    With a rate, latency counts from when a request was due, not from when it could be sent.
    """

    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    due: float = 0.0
    received: bytes = b""


def run(job: Job) -> Result:
    """Send the job's requests to a loopback address and wait for the answers. Raises ValueError."""
    address = urlsplit(job.url)
    if address.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError(f"{job.url} is not on this machine: load goes to loopback addresses only")
    host, port = address.hostname, address.port or 80
    result = Result()
    with selectors.DefaultSelector() as selector:
        idle: deque[_Connection] = deque()
        for _ in range(job.connections):
            idle.append(_connect(selector, host, port))
        _drive(job, selector, idle, result)
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    return result


def _drive(
    job: Job, selector: selectors.BaseSelector, idle: "deque[_Connection]", result: Result
) -> None:
    began = time.perf_counter()
    end = began + min(job.seconds, LONGEST_SECONDS)
    schedule = _schedule(job, began)
    upcoming = next(schedule, None)
    in_flight = 0
    while True:
        now = time.perf_counter()
        while upcoming is not None and idle and upcoming[0] <= now < end:
            connection = idle.popleft()
            connection.due = upcoming[0] if job.rate else now
            connection.socket.sendall(upcoming[1])
            in_flight += 1
            upcoming = next(schedule, None)
        if in_flight == 0 and (upcoming is None or now >= end):
            break
        pause = 0.05
        if upcoming is not None and idle and now < end:
            pause = max(0.0, min(pause, upcoming[0] - now))
        for key, _ in selector.select(pause):
            if _receive(key.data, result):
                in_flight -= 1
                idle.append(key.data)
    result.seconds = time.perf_counter() - began


def _schedule(job: Job, began: float) -> Iterator[tuple[float, bytes]]:
    for n, request in enumerate(job.requests):
        yield (began + n / job.rate if job.rate else 0.0), request.encode()


def _connect(selector: selectors.BaseSelector, host: str, port: int) -> _Connection:
    connection = _Connection(socket.create_connection((host, port)))
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    selector.register(connection.socket, selectors.EVENT_READ, connection)
    return connection


def _receive(connection: _Connection, result: Result) -> bool:
    """Take in what has come; return whether the answer is whole."""
    data = connection.socket.recv(65536)
    if not data:
        raise ConnectionError("the server closed a connection in the middle of the load")
    received = connection.received + data
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0 or len(received) < head_end + 4 + _body_length(received[:head_end]):
        connection.received = received
        return False
    connection.received = b""
    result.statuses[received[9:12].decode()] += 1
    result.latencies_ms.append((time.perf_counter() - connection.due) * 1000)
    return True


def _body_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    return int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def main() -> None:
    """Read a job from standard input, write its result to standard output, both as JSON."""
    result = run(Job(**json.load(sys.stdin)))
    json.dump(vars(result), sys.stdout)


if __name__ == "__main__":
    main()
