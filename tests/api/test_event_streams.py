"""Event streams: every request of a user as it is, and each change as it comes."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from time import monotonic
from typing import Any

import psycopg
import pytest

from api.bootstrap import Api
from api.event_streams import HEARTBEAT_SECONDS, LONGEST_SECONDS, MOST_OF_A_USER, EventStreams
from coupons.errors import LedgerUnavailable
from coupons.gate import Gate
from coupons.ledger.admin_states import archive_coupon
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import change_coupon
from coupons.model import CouponState, IssueRequest, Status
from coupons.waiting import eventually
from tests.support.api import RETRY_AFTER, NewCoupon
from tests.support.api_process import Bearer, Server, running
from tests.support.databases import Database
from tests.support.issued import issue

PATH = "/users/me/requests/events"
NOW_US = 1_700_000_000_000_000
USER = 5


@contextmanager
def following(server: Server, headers: dict[str, str]) -> Iterator[HTTPResponse]:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request("GET", PATH, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.readline().startswith(b"retry: ")
        yield answer


def event(stream: HTTPResponse) -> tuple[str, str]:
    """Coupon and status of the next event."""
    while (line := stream.readline()) and not line.startswith(b"data: "):
        pass
    body = json.loads(line.removeprefix(b"data: "))
    return body["coupon_id"], body["status"]


def is_ended(stream: HTTPResponse) -> bool:
    """Waits for its end, whatever comes before."""
    return stream.read() is not None


def finish(database: Database, gate: Gate, coupon_id: int, user_id: int) -> None:
    issue(database, (coupon_id, user_id))
    gate.settle([IssueRequest(coupon_id, user_id, NOW_US, Status.ISSUED)])


def test_a_stream_begins_with_what_is_and_tells_each_change(
    server: Server, bearer: Bearer, database: Database, gate: Gate
) -> None:
    """Of every coupon of the user, also one that is claimed later; and of nobody else."""
    first, second, third = (server.make_coupon() for _ in range(3))
    for coupon_id in (first, second):
        server.claim(coupon_id, USER)
    server.claim(first, 6)
    finish(database, gate, first, USER)
    with following(server, bearer(USER)) as stream:
        begun = [event(stream) for _ in range(2)]
        assert sorted(begun) == [(str(first), "ISSUED"), (str(second), "REQUESTED")]
        finish(database, gate, first, 6)
        began = monotonic()
        finish(database, gate, second, USER)
        assert event(stream) == (str(second), "ISSUED")
        server.claim(third, USER)
        finish(database, gate, third, USER)
        assert event(stream) == (str(third), "ISSUED")
        assert monotonic() - began < HEARTBEAT_SECONDS - 5, "notified, and not read by chance"
    with following(server, bearer(USER)) as again:
        assert {event(again) for _ in range(3)} == {
            (str(each), "ISSUED") for each in (first, second, third)
        }


def test_a_heartbeat_finds_what_a_lost_notification_would_have_said(
    api: Api,
    new_coupon: NewCoupon,
    claim: Callable[..., Any],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And a stream ends after its longest time, whatever the token says."""
    monkeypatch.setattr("api.event_streams.HEARTBEAT_SECONDS", 0.1)
    now = 0.0
    monkeypatch.setattr("api.event_streams.monotonic", lambda: now)
    coupon_id = new_coupon()
    claim(coupon_id, USER)

    async def chunks() -> list[bytes]:
        """The time passes once the issued coupon is told, and three heartbeats came after it."""
        nonlocal now
        found: list[bytes] = []
        token_s = 2 * LONGEST_SECONDS
        async with asyncio.timeout(60):
            async for chunk in await EventStreams(api.long_polls, api.pool, 1).begin(USER, token_s):
                found.append(chunk)
                if b"REQUESTED" in chunk:
                    issue(database, (coupon_id, USER))
                if any(b"ISSUED" in each for each in found[:-3]):
                    now = LONGEST_SECONDS
        return found

    _, begun, *later = asyncio.run(chunks())
    assert b"REQUESTED" in begun
    events = [each for each in later if each != b": heartbeat\n\n"]
    assert len(events) == 1
    assert b"ISSUED" in events[0]
    assert len(later) > 3, "it did not end before"


def test_a_stream_from_before_tells_the_outcome_of_an_archived_coupon(
    api: Api,
    new_coupon: NewCoupon,
    claim: Callable[..., Any],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It became final and was archived between two reads; a later stream leaves it out."""
    monkeypatch.setattr("api.event_streams.HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr("api.event_streams.LONGEST_SECONDS", 1.0)
    coupon_id = new_coupon()
    claim(coupon_id, USER)

    async def events(then: Callable[[], None]) -> list[str]:
        found = []
        async for chunk in await EventStreams(api.long_polls, api.pool, 1).begin(USER, 60):
            if b"data: " in chunk:
                found.append(json.loads(chunk.partition(b"data: ")[2])["status"])
                then()
        return found

    def finish_and_archive() -> None:
        issue(database, (coupon_id, USER))
        with connect_ledger(database.url("coupon_api"), "test") as ledger:
            change_coupon(ledger, coupon_id, state=CouponState.CLOSED)
            archive_coupon(ledger, coupon_id)

    assert asyncio.run(events(finish_and_archive)) == ["REQUESTED", "ISSUED"]
    assert asyncio.run(events(lambda: None)) == []


def test_a_stream_ends_with_its_token(server: Server, bearer: Bearer) -> None:
    with following(server, bearer(USER, expires_seconds=1)) as stream:
        assert is_ended(stream)


def test_a_stream_ends_when_the_api_stops(server: Server, bearer: Bearer) -> None:
    with following(server, bearer(USER)) as stream:
        server.process.terminate()
        assert is_ended(stream)
    assert server.process.wait(10) == 0


def test_beyond_the_bound_a_stream_is_503_and_its_end_makes_room(
    environment: dict[str, str], bearer: Bearer
) -> None:
    bounds = {"COUPON_API_MAX_STREAMS": "1", "COUPON_API_WORKERS": "1"}
    with running({**environment, **bounds}, bearer) as server:

        def status() -> Any:
            return server.call("HEAD", PATH, USER)

        with following(server, bearer(USER)):
            refused, headers, _ = status()
            assert refused == 503
            assert headers["Retry-After"] in RETRY_AFTER
        eventually(lambda: status()[0] == 200, 40, "the server saw that the client has gone")


def test_a_user_who_opens_one_too_many_ends_their_oldest_and_nobody_elses(
    environment: dict[str, str], bearer: Bearer
) -> None:
    """A page that is loaded again and again takes the streams of nobody else."""
    with ExitStack() as stack:
        server = stack.enter_context(running({**environment, "COUPON_API_WORKERS": "1"}, bearer))
        other = stack.enter_context(following(server, bearer(6)))
        oldest, *others = (
            stack.enter_context(following(server, bearer(USER))) for _ in range(MOST_OF_A_USER)
        )
        coupon_id = server.make_coupon()
        newest = stack.enter_context(following(server, bearer(USER)))
        assert is_ended(oldest)
        for user in (USER, 6):
            server.claim(coupon_id, user)
        for stream in (*others, newest, other):
            assert event(stream) == (str(coupon_id), "REQUESTED")


@pytest.mark.parametrize("error", [LedgerUnavailable("of a test"), psycopg.DataError("of a test")])
def test_a_ledger_that_fails_is_503_and_is_not_asked_by_each_stream(
    error: Exception, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that cannot be read ends the stream of its user alone."""
    asked = []

    def fail(*_: Any) -> None:
        asked.append(1)
        raise error

    monkeypatch.setattr("api.event_streams.find_requests_of_user", fail)

    async def begin() -> None:
        streams = EventStreams(api.long_polls, api.pool, 9)
        for _ in range(3):
            with pytest.raises(LedgerUnavailable):
                await streams.begin(USER, 60)

    asyncio.run(begin())
    assert len(asked) == (1 if isinstance(error, LedgerUnavailable) else 3)


def test_a_stream_that_ends_with_the_api_reads_nothing_more(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else hundreds of them would wait for a ledger that does not answer."""
    asked: list[int] = []

    def find(*_: Any) -> list[IssueRequest]:
        asked.append(1)
        return []

    monkeypatch.setattr("api.event_streams.find_requests_of_user", find)

    async def follow() -> None:
        stream = await EventStreams(api.long_polls, api.pool, 9).begin(USER, 60)
        for _ in range(2):
            await anext(stream)
        api.long_polls.close()
        assert [chunk async for chunk in stream] == []

    asyncio.run(follow())
    assert len(asked) == 1


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer no.such.token"}])
def test_a_stream_needs_a_token(server: Server, headers: dict[str, str]) -> None:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request("GET", PATH, headers=headers)
        assert connection.getresponse().status == 401
