"""A till in this process: changes issued coupons as the API does, and writes the history."""

import time
from threading import Thread
from typing import ClassVar

import psycopg

from chaos.history import ChangeCall
from coupons.model import ChangeOutcome, IssuedChange
from coupons.waiting import eventually
from tests.faults.rig import COUPON, Rig
from tests.support.changes import change_owned_coupon

_DONE = (ChangeOutcome.DONE, ChangeOutcome.REPEATED)
_REFUSALS = {
    ChangeOutcome.ACTIVE: "coupon-not-used",
    ChangeOutcome.USED: "coupon-used",
    ChangeOutcome.OTHER_ORDER: "other-order",
    ChangeOutcome.ORDER_CANCELLED: "order-cancelled",
    ChangeOutcome.EXPIRED: "coupon-expired",
    ChangeOutcome.REVOKED: "coupon-revoked",
}


class Till:
    """Works on the issued coupon of user 1."""

    unknown: ClassVar[tuple[int, str]] = (503, "outcome-unknown")
    """Status and problem of a call whose commit was not confirmed."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        rig.open(total=3)
        rig.claim(1)
        rig.consume()

    def use(self, order: str, answer: str = "arrives") -> None:
        """answer: whether it arrives, or is lost after the commit."""
        self._change(self._rig.system.ledger["api"], IssuedChange.USE, order, answer)

    def cancel_use(self, order: str, answer: str = "arrives") -> None:
        """The order uses it no more. answer: as for a use."""
        self._change(self._rig.system.ledger["api"], IssuedChange.CANCEL_USE, order, answer)

    def revoke(self, reason: str) -> None:
        """Staff takes it away."""
        self._change(self._rig.system.ledger["api"], IssuedChange.REVOKE, reason)

    def use_at_once(self, order: str, other: str) -> None:
        """Two orders use it: the second one comes before the first one has committed."""
        first, second = (self._rig.system.ledger[role] for role in ("api", "owner"))
        late = Thread(target=self._change, args=(second, IssuedChange.USE, other))
        with first.transaction():
            self._change(first, IssuedChange.USE, order)
            late.start()
            eventually(lambda: not late.is_alive() or self._waits(second), 10, "it waits or ends")
        late.join()

    def _waits(self, connection: psycopg.Connection[object]) -> bool:
        waiting = self._rig.system.ledger["ops"].execute(
            "SELECT cardinality(pg_blocking_pids(%s)) > 0", [connection.info.backend_pid]
        )
        return waiting.fetchone() == (True,)

    def _change(
        self,
        connection: psycopg.Connection[object],
        wanted: IssuedChange,
        reference: str,
        answer: str = "arrives",
    ) -> None:
        began = time.monotonic()
        of_revocation = wanted is IssuedChange.REVOKE
        status, reason = 200, ""
        try:
            changed = change_owned_coupon(
                connection,
                1,
                COUPON,
                wanted,
                "user 1",
                order_reference=None if of_revocation else reference,
                reason=reference if of_revocation else None,
            )
        except psycopg.IntegrityError:
            status, reason = 500, "internal"
        else:
            assert changed is not None
            if changed[0] not in _DONE:
                status, reason = 409, _REFUSALS[changed[0]]
        if answer == "is lost":
            status, reason = self.unknown
        self._rig.history.add_change(
            ChangeCall(
                COUPON,
                1,
                wanted.replace("_", "-"),
                reference,
                status,
                reason,
                began,
                time.monotonic(),
                time.time(),
            )
        )
