"""What the servers hold, in the numbers of the model."""

from typing import Any

from coupons.gate import Gate
from coupons.gate.scan import scan_requests
from coupons.gate.values import coupon_key
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import find_coupon
from coupons.model import CouponState, Status

_STATUSES = {Status.REQUESTED: 1, Status.ISSUED: 2, Status.REJECTED: 3}
_STATES = [CouponState.OPEN, CouponState.PAUSED, CouponState.CLOSED, CouponState.ARCHIVED]
_TIMES = (
    "SELECT user_id, (extract(epoch FROM requested_at) * 1000000)::bigint FROM {} "
    "WHERE coupon_id = %s"
)


class Numbers:
    """The model's small numbers for the real ones, of epochs, versions or times, as they are met.

    Both ways: one number never stands for two, whether the code counts or goes by a clock.
    """

    def __init__(self) -> None:
        self._real: dict[Any, int] = {}

    def meet(self, small: Any, real: int) -> None:
        """Raises AssertionError where one of them stands for another already."""
        assert self._real.setdefault(small, real) == real, (small, real, self._real)
        assert list(self._real.values()).count(real) == 1, (small, real, self._real)

    def real(self, small: Any) -> int:
        return self._real[small]


class Servers:
    """Reads one coupon at the gate and in the ledger, and compares it with a state of the model."""

    def __init__(self, gate: Gate, connection: Connection, coupon_id: int) -> None:
        self._gate = gate
        self._connection = connection
        self._coupon_id = coupon_id
        self.epochs, self.versions, self.times = Numbers(), Numbers(), Numbers()

    def compare(self, state: dict[str, Any]) -> None:
        """Raises AssertionError where they hold anything else."""
        self._compare_ledger(state["ledger"])
        self._compare_gate(state["gate"])

    def _compare_ledger(self, ledger: dict[str, Any]) -> None:
        coupon = find_coupon(self._connection, self._coupon_id)
        assert coupon is not None
        self.epochs.meet(ledger["epoch"], coupon.gate_epoch)
        version, total, state = ledger["definition"]
        self.versions.meet(version, coupon.version)
        assert coupon.total_quantity == total
        assert coupon.state is _STATES[state]
        tables = ("coupon_issue_request", "issued_coupon", "issue_rejection")
        for table, kind in zip(tables, ("rows", "issued", "rejected"), strict=True):
            expected = {
                user + 1: self.times.real((user, time))
                for user, time in enumerate(ledger[kind])
                if time
            }
            found = self._connection.execute(_TIMES.format(table), (self._coupon_id,))
            assert dict(found.fetchall()) == expected, table
        counted = (coupon.issued_count, coupon.rejected_count)
        assert counted == tuple(sum(map(bool, ledger[kind])) for kind in ("issued", "rejected"))

    def _compare_gate(self, gate: dict[str, Any]) -> None:
        [figures] = self._gate.figures([self._coupon_id])
        assert (str(figures.state) if figures else "missing") == gate["is"]
        if figures is None:
            return
        self.epochs.meet(gate["epoch"], figures.epoch)
        version, total, administered = gate["definition"]
        self.versions.meet(version, figures.version)
        assert figures.total == total
        key = coupon_key(self._coupon_id)
        state = self._gate.client.hget(key, "state")
        assert state == _STATES[min(administered, 2)], "the gate has an archived one as closed"
        found = [
            request
            for group in scan_requests(self._gate, self._coupon_id, figures)
            for request in group
        ]
        pending = f"{key}:{figures.epoch}:pending"
        retried = {
            int(user) for user, score in self._gate.client.zscan_iter(pending) if int(score) % 2
        }
        held = {
            request.user_id: (
                _STATUSES[request.status],
                request.requested_at_us,
                request.user_id in retried,
            )
            for request in found
        }
        expected = {
            user + 1: (status, self.times.real((user, time)), bool(odd))
            for user, (status, time, odd) in enumerate(gate["places"])
            if status
        }
        assert held == expected
        statuses = [status for status, _, _ in gate["places"]]
        counted = (figures.pending, figures.issued, figures.rejected)
        assert counted == tuple(map(statuses.count, (1, 2, 3)))
        assert figures.balance, figures
