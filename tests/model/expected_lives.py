"""What has become of issued coupons, and when they expire: in days, in place of a clock."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Change(NamedTuple):
    """One change of an issued coupon, without its time."""

    from_state: str
    to_state: str
    order: str | None = None
    reason: str | None = None


@dataclass
class ExpectedLives:
    """The issued coupons of one coupon. days, until: its terms, None: without; until is a day."""

    today: int = 0
    days: int | None = None
    until: int | None = None
    issued_on: dict[int, int] = field(default_factory=dict)
    chains: dict[int, list[Change]] = field(default_factory=dict)

    def issue(self, users: set[int]) -> None:
        """Those that are new are issued today."""
        for user_id in users - self.issued_on.keys():
            self.issued_on[user_id] = self.today

    def state(self, user_id: int) -> str:
        """As the user sees it."""
        state = self._last(user_id).to_state
        return "expired" if state == "active" and self._is_over(user_id) else state

    def use(self, user_id: int, order: str) -> str:
        """What an order is answered that uses the coupon."""
        last = self._last(user_id)
        if last.to_state == "used":
            return "repeated" if last.order == order else "used"
        if (state := self.state(user_id)) != "active":
            return state
        if self._has_cancelled(user_id, order):
            return "order_cancelled"
        return self._change(user_id, "used", order)

    def cancel_use(self, user_id: int, order: str) -> str:
        """What an order is answered that uses the coupon no more."""
        last = self._last(user_id)
        if self._has_cancelled(user_id, order):
            return "repeated"
        if last.to_state == "used":
            if last.order != order:
                return "other_order"
            return self._change(user_id, "expired" if self._is_over(user_id) else "active", order)
        return self.state(user_id)

    def revoke(self, user_id: int, reason: str) -> str:
        """What staff is answered who takes the coupon away."""
        if self._last(user_id).to_state == "revoked":
            return "repeated"
        if (state := self.state(user_id)) != "active":
            return state
        return self._change(user_id, "revoked", reason=reason)

    def sweep(self) -> None:
        """Each expiry becomes a change."""
        for user_id in self.issued_on:
            if self._last(user_id).to_state == "active" and self._is_over(user_id):
                self._change(user_id, "expired")

    def erase(self, user_id: int, nobody: int) -> None:
        """Orders keep their number, so that each still shows which changes are its own."""
        if user_id not in self.issued_on:
            return
        self.issued_on[nobody] = self.issued_on.pop(user_id)
        chain = self.chains.pop(user_id, None)
        if chain is None:
            return
        orders = [each.order for each in chain]
        self.chains[nobody] = [
            each._replace(
                order=each.order and f"erased {orders.index(each.order) + 1}",
                reason=each.reason and "erased",
            )
            for each in chain
        ]

    def shortens(self, days: int | None, until: int | None) -> bool:
        """Whether somebody's coupon could become valid for a shorter time by these terms."""
        return _is_less(days, self.days) or _is_less(until, self.until)

    def rows(self) -> set[tuple[object, ...]]:
        """User, number and change of each."""
        return {
            (user_id, number, *change)
            for user_id, chain in self.chains.items()
            for number, change in enumerate(chain, 1)
        }

    def _has_cancelled(self, user_id: int, order: str) -> bool:
        chain = self.chains.get(user_id, [])
        return any(each.from_state == "used" and each.order == order for each in chain)

    def _last(self, user_id: int) -> Change:
        return self.chains.get(user_id, [Change("", "active")])[-1]

    def _is_over(self, user_id: int) -> bool:
        by_days = self.days is not None and self.issued_on[user_id] + self.days <= self.today
        return by_days or (self.until is not None and self.until <= self.today)

    def _change(
        self, user_id: int, to_state: str, order: str | None = None, reason: str | None = None
    ) -> str:
        change = Change(self._last(user_id).to_state, to_state, order, reason)
        self.chains.setdefault(user_id, []).append(change)
        return "done"


def _is_less(new: int | None, old: int | None) -> bool:
    return new is not None and (old is None or new < old)
