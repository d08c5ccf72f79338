"""Many changes of issued coupons in one transaction: each has its own result."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import psycopg
import pytest

from api.change_writer import ChangeWriter
from api.ledger_connections import LedgerConnections
from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.owned_coupons import (
    Changed,
    Unchanged,
    WantedChange,
    change_owned_coupons,
    list_changes,
)
from coupons.ledger.refusals import LedgerRefusal, LedgerRefused
from coupons.ledger.standby import set_standby_list
from coupons.model import ChangeOutcome, IssuedChange
from tests.support.databases import Database
from tests.support.issued import as_owner, request_and_issue
from tests.support.ledger import MakeCoupon

USERS = range(1, 41)
NOBODY = 99
DONE = ChangeOutcome.DONE


@pytest.fixture
def coupon_id(database: Database, make_coupon: MakeCoupon) -> int:
    """Of a coupon that USERS have."""
    made = make_coupon(total_quantity=len(USERS)).coupon_id
    request_and_issue(database, made, USERS)
    return made


class OneConnection(LedgerConnections):
    """Lends this one to everybody. left: how often, until the ledger is away."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.left = 1_000

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        self.left -= 1
        if self.left < 0:
            raise LedgerUnavailable("away")
        yield self._connection


@pytest.fixture
def lending(api: Connection) -> OneConnection:
    return OneConnection(api)


@pytest.fixture
def writer(lending: OneConnection) -> ChangeWriter:
    return ChangeWriter(lending)


def outcomes(results: Iterable[object]) -> list[object]:
    """What came of each change that was made, beside the others as they are."""
    return [each.outcome if isinstance(each, Changed) else each for each in results]


def use(coupon_id: int, user_id: int, order: str = "A") -> WantedChange:
    return WantedChange(user_id, coupon_id, IssuedChange.USE, "a test", order)


@contextmanager
def locked(database: Database, coupon_id: int, user_id: int) -> Iterator[None]:
    """While the block runs, another session has this coupon's lock."""
    statement = "SELECT FROM issued_coupon WHERE coupon_id = %s AND user_id = %s FOR UPDATE"
    with psycopg.connect(database.url("coupon_owner")) as other:
        other.execute(statement, [coupon_id, user_id])
        yield


def test_each_change_has_its_own_result_in_the_order_asked(api: Connection, coupon_id: int) -> None:
    revoked = WantedChange(2, coupon_id, IssuedChange.REVOKE, "a test", reason="fraud")
    wanted = [
        use(coupon_id, 3),
        use(coupon_id, NOBODY),
        revoked,
        use(coupon_id, 3),
        use(coupon_id, 2),
        use(coupon_id, 3, "B"),
        use(coupon_id, 1),
    ]
    results = change_owned_coupons(api, wanted)
    assert outcomes(results) == [
        DONE,
        Unchanged.NOT_ISSUED,
        DONE,
        ChangeOutcome.REPEATED,
        ChangeOutcome.REVOKED,
        ChangeOutcome.USED,
        DONE,
    ]
    coupons = [each.coupon for each in results if isinstance(each, Changed)]
    assert [each.user_id for each in coupons] == [3, 2, 3, 2, 3, 1]
    assert [each.order_reference for each in coupons] == ["A", None, "A", None, "A", "A"]
    assert [len(list_changes(api, user, coupon_id, 10)) for user in (1, 2, 3)] == [1, 1, 1]


def test_batches_in_opposite_orders_do_not_lock_each_other_out(
    database: Database, coupon_id: int
) -> None:
    """Each coupon is used by one order, and nobody waits for another."""

    def use_all(turn: int) -> list[object]:
        users = USERS if turn % 2 else reversed(USERS)
        with connect_ledger(database.url("coupon_api"), "test", 60) as connection:
            wanted = [use(coupon_id, user, f"order {turn}") for user in users]
            return outcomes(change_owned_coupons(connection, wanted))

    with ThreadPoolExecutor(8) as threads:
        said = Counter(each for turn in threads.map(use_all, range(40)) for each in turn)
    assert said.pop(DONE) == len(USERS)
    assert said.keys() <= {ChangeOutcome.USED, Unchanged.LOCKED}


def test_revocations_of_coupons_with_standby_lists_lock_them_in_one_order(
    database: Database, make_coupon: MakeCoupon, api: Connection
) -> None:
    """Each gives its coupon one more place, so that it locks the coupon until the batch ends."""
    first, second = (make_coupon(total_quantity=len(USERS)).coupon_id for _ in range(2))
    for each in (first, second):
        request_and_issue(database, each, USERS)
        assert set_standby_list(api, each, is_on=True, acted_by="a test")
    together = Barrier(2)

    def revoke_all(coupons: Sequence[int]) -> list[object]:
        """The users of the one coupon are before those of the other."""
        wanted = [
            WantedChange(user, each, IssuedChange.REVOKE, "a test", reason="fraud")
            for each, users in zip(coupons, (range(1, 21), range(21, 41)), strict=True)
            for user in users
        ]
        with connect_ledger(database.url("coupon_api"), "test") as connection:
            together.wait()
            return outcomes(change_owned_coupons(connection, wanted))

    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(revoke_all, [(first, second), (second, first)]))
    assert both == [[DONE] * len(USERS)] * 2
    totals = as_owner(database, "SELECT total_quantity FROM coupon")
    assert totals == [(2 * len(USERS),)] * 2


def test_a_locked_coupon_holds_up_nobody_else(
    database: Database, coupon_id: int, writer: ChangeWriter, api: Connection
) -> None:
    """It is not waited for, however often it is wanted; those beside it are changed."""
    with locked(database, coupon_id, 20):
        results = writer.write([use(coupon_id, user) for user in (*USERS, 20, 20)])
    assert [results[at] for at in (19, -2, -1)] == [Unchanged.LOCKED] * 3
    others = [*results[:19], *results[20:-2]]
    assert outcomes(others) == [DONE] * (len(USERS) - 1)
    assert list_changes(api, 20, coupon_id, 10) == []


def test_a_change_that_postgres_refuses_fails_alone(
    coupon_id: int, writer: ChangeWriter, api: Connection
) -> None:
    """Whatever a client could think of that nobody checked before."""
    wrong = use(coupon_id, 2, "longer than any order" * 10)
    done, failed, done_too = writer.write([use(coupon_id, 1), wrong, use(coupon_id, 3)])
    assert outcomes([done, done_too]) == [DONE, DONE]
    assert isinstance(failed, psycopg.IntegrityError)
    assert list_changes(api, 2, coupon_id, 10) == []


def test_what_was_done_before_the_ledger_went_away_is_done(
    coupon_id: int, api: Connection, lending: OneConnection
) -> None:
    """Each is written alone here. The rest is not tried, and said to be unchanged."""
    lending.left = 3
    wrong = use(coupon_id, 1, "longer than any order" * 10)
    wanted = [wrong, *(use(coupon_id, user) for user in (2, 3, 4))]
    failed, done, away, not_tried = ChangeWriter(lending).write(wanted)
    assert isinstance(failed, psycopg.IntegrityError)
    assert outcomes([done]) == [DONE]
    assert [type(away), type(not_tried)] == [LedgerUnavailable] * 2
    assert [len(list_changes(api, user, coupon_id, 10)) for user in (1, 2, 3, 4)] == [0, 1, 0, 0]


def test_nothing_is_tried_alone_when_the_ledger_cannot_be_used(
    coupon_id: int, writer: ChangeWriter, database: Database
) -> None:
    """Else an outage would cost its time-out for each change."""
    as_owner(database, "REVOKE EXECUTE ON FUNCTION change_issued_coupons FROM coupon_api")
    with pytest.raises(LedgerRefused) as raised:
        writer.write([use(coupon_id, user) for user in USERS])
    assert raised.value.refusal is LedgerRefusal.NOT_ALLOWED
