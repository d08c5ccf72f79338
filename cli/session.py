"""Gate and ledger of a stack for a command, with failures that a program can tell apart."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, NoReturn, TypeVar

import click

from cli.exit_codes import NOT_ANSWERED, NotAnswered
from coupons.endpoints import Endpoints
from coupons.errors import (
    CouponError,
    CouponUnreadable,
    GateUnavailable,
    LedgerUnavailable,
    NotThere,
)
from coupons.failure_scope import is_of_one_coupon
from coupons.gate import Gate, connect_gate
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import find_coupon, list_readable
from coupons.ledger.silent_sessions import end_when_silent, silent_seconds
from coupons.model import Coupon

T = TypeVar("T")

__all__ = ["ANSWER_TIMEOUT_SECONDS", "NOT_ANSWERED", "Session", "give_up", "open_session"]

ANSWER_TIMEOUT_SECONDS = 120.0
"""Counting and comparing a million rows takes a while."""


class Failed(NamedTuple):
    """A coupon that could not be worked on, and why, in a sentence."""

    coupon_id: int
    why: str


def tell_failures(failures: Sequence[Failed]) -> None:
    """Name them on standard error."""
    for failed in failures:
        click.echo(f"{failed.why.strip()} (the other coupons were done)", err=True)


class Session(NamedTuple):
    """Where a command works. where: all addresses of the stack, under the names of settings."""

    gate: Gate
    connection: Connection
    where: Endpoints

    def coupons(self, coupon_id: int | None) -> tuple[list[Coupon], list[Failed]]:
        """All coupons, or the one of this id; and those whose row cannot be read.

        Raises NotThere when it does not exist.
        """
        if coupon_id is None:
            readable, unreadable = list_readable(self.connection)
            return readable, [Failed(each, str(why)) for each, why in unreadable.items()]
        try:
            coupon = find_coupon(self.connection, coupon_id)
        except CouponUnreadable as error:
            return [], [Failed(coupon_id, str(error))]
        if coupon is None:
            raise NotThere(f"there is no coupon {coupon_id}")
        return [coupon], []

    def each(
        self, coupon_id: int | None, work: Callable[[Coupon], T], failures: list[Failed]
    ) -> Iterator[T]:
        """What `work` returns of each coupon; one that cannot be worked on is added to `failures`.

        Raises GateUnavailable or LedgerUnavailable when the others would fail as well.
        """
        readable, unreadable = self.coupons(coupon_id)
        failures += unreadable
        for coupon in readable:
            try:
                done = work(coupon)
            except Exception as error:
                if not is_of_one_coupon(error, self.connection):
                    raise
                failures.append(Failed(coupon.coupon_id, f"coupon {coupon.coupon_id}: {error}"))
            else:
                yield done


@contextmanager
def open_session(where: Endpoints, silent_s: float | None = None) -> Iterator[Session]:
    """Connected to both; what does not answer ends the command with code 3.

    silent_s: silence after which the server ends the session, and frees its locks, in case that
    the command was stopped; None: as long as the reconciler's.
    """
    try:
        with connect_ledger(
            where["COUPON_DATABASE_URL"], "coupon-command", ANSWER_TIMEOUT_SECONDS
        ) as connection:
            end_when_silent(connection, silent_seconds() if silent_s is None else silent_s)
            yield Session(connect_gate(where["COUPON_REDIS_URL"]), connection, where)
    except (GateUnavailable, LedgerUnavailable) as error:
        give_up(error)


def give_up(error: CouponError) -> NoReturn:
    """End the command: it could not look. Raises NotAnswered."""
    raise NotAnswered(
        f"{str(error).strip()}\n`coupon status` shows what is down; `coupon up` starts it."
    ) from error
