"""A connection to the gate and the ledger of one system, and work on its coupons one by one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from coupons.endpoints import Endpoints
from coupons.errors import CouponUnreadable, NotThere
from coupons.gate import Gate, connect_gate
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import find_coupon, list_readable
from coupons.ledger.silent_sessions import end_when_silent, silent_seconds
from coupons.model import Coupon, CouponState
from operations.repair.failure_scope import is_of_one_coupon

T = TypeVar("T")

ANSWER_TIMEOUT_SECONDS = 120.0
"""Counting and comparing a million rows takes a while."""


class Failed(NamedTuple):
    """A coupon that could not be processed, and why, in a sentence."""

    coupon_id: int
    why: str


class Session(NamedTuple):
    """where: all endpoints of the system, under the names of settings."""

    gate: Gate
    connection: Connection
    where: Endpoints

    def coupons(self, coupon_id: int | None) -> tuple[list[Coupon], list[Failed]]:
        """All coupons but archived ones, or the one with this id; and those that cannot be read.

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
        self,
        coupon_id: int | None,
        work: Callable[[Coupon], T],
        failures: list[Failed],
        *,
        at_gate: bool = False,
    ) -> Iterator[T]:
        """The results of `work` for each coupon; coupons that fail are added to `failures`.

        at_gate: a draft is passed over, since the gate does not have it; the one that is asked for
        fails, and so does an archived one. Raises RedisUnavailable or LedgerUnavailable when the
        other coupons would fail as well.
        """
        readable, unreadable = self.coupons(coupon_id)
        failures += unreadable
        for coupon in readable:
            if at_gate and not coupon.belongs_at_gate:
                if coupon_id is not None:
                    failures.append(Failed(coupon_id, _why_not_at_gate(coupon)))
                continue
            try:
                done = work(coupon)
            except Exception as error:
                if not is_of_one_coupon(error, self.connection):
                    raise
                failures.append(Failed(coupon.coupon_id, f"coupon {coupon.coupon_id}: {error}"))
            else:
                yield done


def _why_not_at_gate(coupon: Coupon) -> str:
    if coupon.state is CouponState.DRAFT:
        return f"coupon {coupon.coupon_id} is a draft: the gate gets it when it is opened"
    return f"coupon {coupon.coupon_id} is archived: the gate has forgotten it, for good"


@contextmanager
def connect(where: Endpoints, silent_s: float | None = None) -> Iterator[Session]:
    """A session with both. Raises RedisUnavailable or LedgerUnavailable.

    silent_s: after so many silent seconds Postgres ends the session and frees its locks, in case
    the command was stopped; None: as for the reconciler.
    """
    with connect_ledger(
        where["COUPON_DATABASE_URL"], "coupon-command", ANSWER_TIMEOUT_SECONDS
    ) as connection:
        end_when_silent(connection, silent_seconds() if silent_s is None else silent_s)
        yield Session(connect_gate(where["COUPON_REDIS_URL"]), connection, where)
