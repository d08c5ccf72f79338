"""The claims of a rehearsal come on a schedule, whatever becomes of them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest

from coupons.errors import ApiUnavailable, ConfigurationError
from coupons.ids import FIRST_REHEARSAL_ID
from operations.rehearsal import load
from operations.rehearsal.load import Answers, Size, claim_all

ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}"
BODY = b'{"type": "https://x/problems/sold-out"}'
SOLD_OUT = b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@contextmanager
def answering(
    answer: Callable[[int], bytes], idle_s: float | None = None
) -> Iterator[tuple[str, list[bytes]]]:
    """A server on a port of its own; answer: by the number of the request, b"": hang up.

    idle_s: it closes a connection on which nothing comes for so long.
    """
    heads: list[bytes] = []
    ready, stop = Event(), Event()
    ports: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), idle_s):
                heads.append(head)
                if not (data := answer(len(heads))):
                    break
                writer.write(data)
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            pass
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            ports.append(server.sockets[0].getsockname()[1])
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"http://127.0.0.1:{ports[0]}/base", heads
    finally:
        stop.set()
        thread.join()


def claims(url: str, **changes: Any) -> Answers:
    answers = Answers()
    size = Size(rate=200, seconds=0.5, users=80, quantity=9, connections=4)._replace(**changes)
    claim_all(url, lambda user: f"token-of-{user}", 17, size, answers)
    return answers


def test_each_claim_is_sent_once_by_the_next_user() -> None:
    """With a token of a reserved id; when all have claimed, the first claims again."""
    with answering(lambda _: ACCEPTED) as (url, heads):
        answers = claims(url)
    assert answers.kinds == {"202": 100}
    assert answers.accepted == 100
    assert sum(answers.by_second.values()) == len(answers.answered_ms) == 100
    assert 0.45 < answers.seconds < 20
    users = sorted(int(head.partition(b"token-of-")[2].split()[0]) for head in heads)
    expected = sorted(FIRST_REHEARSAL_ID + number % 80 for number in range(100))
    assert users == expected
    assert {head.split(b"\r\n")[0] for head in heads} == {
        b"POST /base/coupons/17/issue-requests HTTP/1.1"
    }


def test_refusals_are_counted_by_their_type_and_lost_connections_replaced() -> None:
    """Every third answer is a refusal, every tenth connection breaks; the schedule goes on."""

    def answer(number: int) -> bytes:
        return b"" if number % 10 == 0 else SOLD_OUT if number % 3 == 0 else ACCEPTED

    with answering(answer) as (url, _):
        answers = claims(url)
    assert answers.kinds == {"202": 60, "409 sold-out": 30, "no answer": 10}
    assert sum(answers.by_second.values()) == 90


def test_a_connection_that_was_idle_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """More connections than a low rate needs: the API has closed them, and is not to blame."""
    monkeypatch.setattr(load, "IDLE_SECONDS", 0.1)
    with answering(lambda _: ACCEPTED, idle_s=0.3) as (url, _):
        answers = claims(url, rate=10, seconds=1.0, connections=5)
    assert answers.kinds == {"202": 10}


def test_a_late_claim_counts_from_when_it_was_due() -> None:
    """One connection that is slower than the rate: the waiting shows, and is not left out."""

    def slow(_: int) -> bytes:
        Event().wait(0.02)
        return ACCEPTED

    with answering(slow) as (url, _):
        answers = claims(url, connections=1, rate=400, seconds=0.1)
    assert answers.kinds == {"202": 40}
    assert max(answers.answered_ms) > 600
    assert max(answers.late_ms) > 500


def test_an_api_that_cannot_be_reached_ends_it_at_once() -> None:
    with pytest.raises(ApiUnavailable, match="does not answer at"):
        claims("http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        claims("ftp://127.0.0.1")
