"""Changes of an issued coupon at the same moment are one, and nobody forges another."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.owned_coupons import (
    expire_issued_coupons,
)
from coupons.model import ChangeOutcome
from coupons.waiting import eventually
from tests.ledger.test_changing_issued_coupons import (
    DONE,
    REPEATED,
    REVOKE,
    USE,
    USER,
    chain,
    change,
    time_passes,
)
from tests.support.databases import Database
from tests.support.issued import as_owner, waiters

AT_ONCE = 50
"""The server has a hundred connections; tests/api calls a hundred times at once."""


@pytest.mark.parametrize("orders", ["one each", "all the same"])
def test_many_uses_at_once_are_one(database: Database, coupon_id: int, orders: str) -> None:
    """All wait for the coupon at the same moment; then exactly one uses it."""
    statement = "SELECT FROM issued_coupon WHERE coupon_id = %s FOR UPDATE"
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        sessions = [
            stack.enter_context(patient_ledger(database, "coupon_api")) for _ in range(AT_ONCE)
        ]
        owner = stack.enter_context(psycopg.connect(database.url("coupon_owner")))
        owner.execute(statement, [coupon_id])
        names = [f"order {number if orders == 'one each' else 1}" for number in range(AT_ONCE)]
        waiting = [
            threads.submit(change, session, coupon_id, USE, name)
            for session, name in zip(sessions, names, strict=True)
        ]
        eventually(lambda: waiters(database) == AT_ONCE, 30, "all wait for the coupon")
        owner.rollback()
        outcomes = Counter(each.result() for each in waiting)
        others = ChangeOutcome.USED if orders == "one each" else REPEATED
        assert outcomes == {DONE: 1, others: AT_ONCE - 1}
        assert chain(sessions[0], coupon_id) == ["active", "used"]


OTHERS_GET = {
    "use": {"revoke": ChangeOutcome.USED, "expire": 0},
    "revoke": {"use": ChangeOutcome.REVOKED, "expire": 0},
    "expire": {"use": ChangeOutcome.EXPIRED, "revoke": ChangeOutcome.EXPIRED},
}
"""By what came first and was not committed when the coupon's time was over and the others came."""


@pytest.mark.parametrize("first", OTHERS_GET)
def test_use_revocation_and_expiry_at_once_are_one_change(
    database: Database, api: Connection, coupon_id: int, first: str
) -> None:
    """Two wait for the one that came first: that is the only change, and they learn of it."""
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(2))
        till, staff, sweep = (
            stack.enter_context(patient_ledger(database, role))
            for role in ("coupon_api", "coupon_api", "coupon_reconciler")
        )
        calls: dict[str, tuple[Connection, Callable[[], object]]] = {
            "use": (till, lambda: change(till, coupon_id, USE, "A")),
            "revoke": (staff, lambda: change(staff, coupon_id, REVOKE, "fraud")),
            "expire": (sweep, lambda: expire_issued_coupons(sweep, coupon_id, 10).expired_rows),
        }
        session, call = calls.pop(first)
        if first == "expire":
            time_passes(database, coupon_id)
        with session.transaction():
            assert call() == (1 if first == "expire" else DONE)
            time_passes(database, coupon_id)
            late = {name: threads.submit(each) for name, (_, each) in calls.items()}
            eventually(lambda: waiters(database) == 2, 30, "both wait for the coupon")
        assert {name: each.result() for name, each in late.items()} == OTHERS_GET[first]
    ended = {"use": "used", "revoke": "revoked", "expire": "expired"}
    assert chain(api, coupon_id) == ["active", ended[first]]


@contextmanager
def patient_ledger(database: Database, role: str) -> Iterator[Connection]:
    """It waits for locks for as long as a slow machine needs to let all others wait, too."""
    with connect_ledger(database.url(role), "test", 60) as connection:
        connection.execute("SET lock_timeout = '60s'")
        yield connection


FORGED = {
    "a first change that is the second": ("2, 'active', 'used', 'A', NULL", "foreign_key"),
    "a first change of a used one": ("1, 'used', 'active', 'A', NULL", "check"),
    "a way that is not allowed": ("1, 'active', 'active', NULL, NULL", "check"),
    "a use without an order": ("1, 'active', 'used', NULL, NULL", "check"),
    "an expiry with an order": ("1, 'active', 'expired', 'A', NULL", "check"),
    "a revocation without a reason": ("1, 'active', 'revoked', NULL, NULL", "check"),
    "number 0": ("0, 'active', 'used', 'A', NULL", "check"),
    "an order without a name": ("1, 'active', 'used', '', NULL", "check"),
    "an order that is too long": ("1, 'active', 'used', repeat('x', 101), NULL", "check"),
    "a reason that is too long": ("1, 'active', 'revoked', NULL, repeat('x', 501)", "check"),
}


AFTER_A_USE = {
    "a second use": ("1, 'active', 'used', 'B', NULL", "unique"),
    "a use of a used one": ("2, 'active', 'used', 'B', NULL", "foreign_key"),
    "a revocation of a used one": ("2, 'used', 'revoked', 'A', 'r'", "check"),
    "a gap": ("3, 'used', 'active', 'A', NULL", "foreign_key"),
}


ERRORS = {
    "foreign_key": psycopg.errors.ForeignKeyViolation,
    "check": psycopg.errors.CheckViolation,
    "unique": psycopg.errors.UniqueViolation,
}


@pytest.mark.parametrize("what", [*FORGED, *AFTER_A_USE])
def test_the_chain_cannot_be_forged_past_the_function(
    database: Database, api: Connection, coupon_id: int, what: str
) -> None:
    """Not even by the owner of the schema: the constraints hold it."""
    row, error = {**FORGED, **AFTER_A_USE}[what]
    if what in AFTER_A_USE:
        assert change(api, coupon_id, USE, "A") is DONE
    with pytest.raises(ERRORS[error]):
        forge(database, USER, coupon_id, row)


def test_a_change_of_a_coupon_that_is_not_issued_is_refused(
    database: Database, coupon_id: int
) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        forge(database, USER + 1, coupon_id, "1, 'active', 'used', 'A', NULL")


def forge(database: Database, user_id: int, coupon_id: int, row: str) -> None:
    statement = (
        "INSERT INTO issued_coupon_change (user_id, coupon_id, change_number, from_state, to_state,"
        f" order_reference, reason, changed_by) VALUES (%s, %s, {row}, 'a test')"
    )
    as_owner(database, statement, user_id, coupon_id)
