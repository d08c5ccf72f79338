"""Gate and ledger of a stack for a command, with failures that a program can tell apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

from coupons.errors import CouponError, GateUnavailable, LedgerUnavailable
from coupons.gate import Gate, connect_gate
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import find_coupon, list_coupons
from coupons.model import Coupon
from ops.addresses import Addresses
from ops.exits import NOT_ANSWERED, NotAnswered, NotThere

__all__ = ["ANSWER_TIMEOUT_SECONDS", "NOT_ANSWERED", "Places", "give_up", "places"]

ANSWER_TIMEOUT_SECONDS = 120.0
"""Counting and comparing a million rows takes a while."""


class Places(NamedTuple):
    """Where a command works. where: all addresses of the stack, under the names of settings."""

    gate: Gate
    connection: Connection
    where: Addresses

    def coupons(self, coupon_id: int | None) -> list[Coupon]:
        """All coupons, or the one of this id. Raises NotThere when it does not exist."""
        if coupon_id is None:
            return list_coupons(self.connection)
        coupon = find_coupon(self.connection, coupon_id)
        if coupon is None:
            raise NotThere(f"there is no coupon {coupon_id}")
        return [coupon]


@contextmanager
def places(where: Addresses) -> Iterator[Places]:
    """Connected to both; what does not answer ends the command with code 3."""
    try:
        with connect_ledger(
            where["COUPON_DATABASE_URL"], "coupon-command", ANSWER_TIMEOUT_SECONDS
        ) as connection:
            yield Places(connect_gate(where["COUPON_REDIS_URL"]), connection, where)
    except (GateUnavailable, LedgerUnavailable) as error:
        give_up(error)


def give_up(error: CouponError) -> NoReturn:
    """End the command: it could not look. Raises NotAnswered."""
    raise NotAnswered(
        f"{str(error).strip()}\n`coupon status` shows what is down; `coupon up` starts it."
    ) from error
