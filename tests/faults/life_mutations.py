"""Mutations of what becomes of issued coupons: each removes one protection, for one test."""

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from coupons.ledger.connection import Connection
from tests.faults import till
from tests.faults.till import Till
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database

CHANGE = "change_issued_coupon(bigint, bigint, text, text, text, text)"
USED_ALREADY = "RETURN CASE WHEN last.order_reference = reference THEN 'repeated' ELSE 'used' END;"


def use_without_a_lock(patch: pytest.MonkeyPatch, database: Database, redis_url: str) -> None:
    """Two uses at once both see an active coupon."""
    use_without_a_lock_alone(patch, database, redis_url)
    _drop_constraints(database, "issued_coupon_change_pkey", "change_ends_in_one_state")


def use_without_a_lock_alone(_: pytest.MonkeyPatch, database: Database, __: str) -> None:
    """The same, and the chain's constraints are there."""
    _rewrite(database, "pg_get_functiondef", CHANGE, "FOR NO KEY UPDATE", "")


def forget_the_last_state(patch: pytest.MonkeyPatch, database: Database, redis_url: str) -> None:
    """A coupon that is used is used again as if it were active, by any order."""
    forget_the_last_state_alone(patch, database, redis_url)
    _drop_constraints(database, "change_begins_where_the_last_ended")
    _drop_index(database, "one_use_each_order")


def forget_the_last_state_alone(_: pytest.MonkeyPatch, database: Database, __: str) -> None:
    """The same, and the chain's constraints are there."""
    _rewrite(database, "pg_get_functiondef", CHANGE, USED_ALREADY, "now_in := 'active';")


def forget_cancelled_orders(patch: pytest.MonkeyPatch, database: Database, redis_url: str) -> None:
    """An order whose use was cancelled uses the coupon again, as if it were another one."""
    forget_cancelled_orders_alone(patch, database, redis_url)
    _drop_index(database, "one_use_each_order")


def forget_cancelled_orders_alone(_: pytest.MonkeyPatch, database: Database, __: str) -> None:
    """The same, and the index of orders is there."""
    _rewrite(database, "pg_get_functiondef", CHANGE, "IF is_over", "IF false")


def ignore_the_time(_: pytest.MonkeyPatch, database: Database, __: str) -> None:
    """A coupon is used whether or not its time is over."""
    over = "now_in = 'active' AND expires <= at"
    _rewrite(database, "pg_get_functiondef", CHANGE, over, "false")


def remember_cancelled_uses(_: pytest.MonkeyPatch, database: Database, __: str) -> None:
    """A coupon that was used once is refused for ever."""
    used = "WHEN 'use' THEN"
    ever = "IF last.from_state = 'used' THEN RETURN 'used'; END IF;"
    _rewrite(database, "pg_get_functiondef", CHANGE, used, f"{used} {ever}")


def show_the_first_change(_: pytest.MonkeyPatch, database: Database, __: str) -> None:
    """The state that everybody reads is not the one of the last change."""
    _rewrite(database, "pg_get_viewdef", "owned_coupon", "h.change_number DESC", "h.change_number")


def confirm_before_commit(patch: pytest.MonkeyPatch, _: Database, __: str) -> None:
    """A use is answered with 200, and its transaction never commits."""

    def undone(connection: Connection, *more: Any, **about: Any) -> object:
        with connection.transaction(force_rollback=True):
            return change_owned_coupon(connection, *more, **about)

    patch.setattr(till, "change_owned_coupon", undone)


def refuse_on_unknown(patch: pytest.MonkeyPatch, _: Database, __: str) -> None:
    """A commit whose response was lost counts as refused."""
    patch.setattr(Till, "unknown", (409, "coupon-used"))


def _rewrite(database: Database, source: str, name: str, old: str, new: str) -> None:
    """Replace text in a function or view."""
    kind = "regprocedure" if source == "pg_get_functiondef" else "regclass"
    with psycopg.connect(database.url("coupon_owner")) as owner:
        row = owner.execute(f"SELECT {source}(%s::{kind})".encode(), [name]).fetchone()
        assert row is not None
        text: str = row[0]
        assert old in text, "the protection has another text now"
        if kind == "regclass":
            text = f"CREATE OR REPLACE VIEW {name} AS {text}"
        owner.execute(text.replace(old, new).encode())


def _drop_constraints(database: Database, *names: str) -> None:
    drops: Sequence[str] = [f"DROP CONSTRAINT {name} CASCADE" for name in names]
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(f"ALTER TABLE issued_coupon_change {', '.join(drops)}".encode())


def _drop_index(database: Database, name: str) -> None:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(f"DROP INDEX {name}".encode())
