"""Tills over HTTP, and a link to Postgres that loses requests and responses: no stack is needed."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import psycopg
import pytest

from chaos import tills
from chaos.callers import meanwhile
from chaos.checkers import lives
from chaos.evidence import Evidence
from chaos.history import ChangeCall, History, Response, Stock
from chaos.link import Link
from chaos.stores import read_ledger
from chaos.tills import Tills
from chaos.verdict import violations
from coupons.ledger.connection import connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.model import IssueRequest, Status
from coupons.waiting import eventually
from tests.support.api import SECRET
from tests.support.api_process import Server
from tests.support.databases import Database
from tests.support.issued import issue, waiters

THREADS = 4
USERS = range(1, 2_001)


@pytest.fixture
def history(server: Server, database: Database) -> History:
    """Of a coupon that is issued to many users; none of their claims is in it."""
    coupon_id = server.make_coupon()
    with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
        issue_or_reject(
            consumer, [IssueRequest(coupon_id, user, 1, Status.REQUESTED) for user in USERS]
        )
    return History(stocks={coupon_id: [Stock(1_000_000, 0.0, 0.0)]})


def claim_one_by_one(history: History, stop: Event) -> None:
    """New claims, so that tills have others after those that are used or revoked."""
    [coupon_id] = history.coupon_ids
    for user in USERS:
        now = time.monotonic()
        history.add([Response(coupon_id, user, 202, "", "", "", now, now, time.time())])
        if stop.wait(0.03):
            break


def broken_of_lives(history: History, database: Database) -> list[str]:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        evidence = Evidence(**read_ledger(owner, history.coupon_ids))
    found = violations(history, evidence)
    return [each for each in found if hasattr(lives, each.partition(":")[0])]


def test_evidence_is_of_one_moment(history: History, database: Database) -> None:
    """A coupon that is issued while the ledger is read is in all of its parts or in none."""
    [coupon_id] = history.coupon_ids
    with (
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(database.url("coupon_owner")) as holder,
        psycopg.connect(database.url("coupon_owner")) as owner,
    ):
        holder.execute("LOCK issued_coupon_change IN ACCESS EXCLUSIVE MODE")
        reading = threads.submit(read_ledger, owner, [coupon_id])
        eventually(lambda: waiters(database), what="changes are read after issued coupons")
        issue(database, (coupon_id, USERS.stop))
        holder.rollback()
        evidence = Evidence(**reading.result())
    assert {*evidence.issued} == {*evidence.owned} == {(coupon_id, user) for user in USERS}
    assert evidence.issued_counts == {coupon_id: len(USERS)}


def test_tills_that_nobody_serves_are_a_complaint() -> None:
    """Else every checker of changes would be green without having seen one."""
    history = History()
    idle = Tills(("http://127.0.0.1:1", SECRET), history, "idle")
    for status, problem in ((404, "not-found"), (409, "coupon-used"), (503, "ledger-unavailable")):
        history.add_change(ChangeCall(1, 1, "use", "A", status, problem, 0.0, 1.0, 1.0))
        assert idle.check()
    history.add_change(ChangeCall(1, 1, "use", "A", 200, "", 2.0, 3.0, 3.0))
    assert not idle.check()


FAULTS: dict[str, Callable[[Link], None]] = {
    "cut": Link.cut,
    "silent": Link.silence,
    "requests are lost": lambda link: link.break_next(30, "requests"),
    "answers are lost": lambda link: link.break_next(30, "answers"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_use_is_lost_or_doubled_while_postgres_is_cut_off(
    server: Server,
    history: History,
    database: Database,
    postgres_link: Link,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    monkeypatch.setattr(tills, "PAUSE_SECONDS", 0.01)

    def count() -> Counter[int]:
        return Counter(each.status for each in list(history.changes))

    caller = f"http://127.0.0.1:{server.port}", SECRET
    claims = partial(claim_one_by_one, history)
    with meanwhile([claims]), Tills(caller, history, fault).working(THREADS):
        eventually(lambda: count()[200] > 40, 30, "tills are served")
        FAULTS[fault](postgres_link)
        eventually(lambda: count()[503] + count()[0] > 4, 30, "outcomes are unknown")
        postgres_link.restore()
        served = count()[200]
        eventually(lambda: count()[200] > served + 40, 30, "tills are served again")
    assert count()[409] > 4, "tills met at the same coupons"
    assert {each.wanted for each in history.changes} >= {"use", "cancel-use"}
    assert broken_of_lives(history, database) == []
