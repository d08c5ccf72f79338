"""The standby list of a coupon, as it must be: who waits, in their order."""

from dataclasses import dataclass, field

from coupons.ledger.standby import Joining


@dataclass
class ExpectedLine:
    """standby: as the column of the coupon; None: it has no list. users: who wait, in order."""

    standby: str | None = None
    users: list[int] = field(default_factory=list)

    @property
    def has_line(self) -> bool:
        """Whether what comes back is for those who wait."""
        return self.standby == "waiting"

    def switch(self, is_on: bool) -> None:
        """An administrator gives the coupon a list, or takes it away."""
        if not is_on:
            self.standby = None if self.standby is None else "ending"
        elif self.standby is None:
            self.standby = "empty"
        elif self.standby == "ending":
            self.standby = "waiting"

    def join(self, user_id: int, *, is_sold_out: bool) -> Joining:
        """Of a coupon that is open, by a user without a request."""
        if user_id in self.users:
            return Joining.WAITING
        if self.standby == "empty" and not is_sold_out:
            return Joining.NOT_SOLD_OUT
        is_first = self.standby == "empty"
        self.standby = "waiting"
        self.users.append(user_id)
        return Joining.FIRST if is_first else Joining.JOINED

    def leave(self, user_id: int) -> None:
        """They wait no more; nothing, if they did not."""
        self.users = [each for each in self.users if each != user_id]

    def tidy(self, *, is_over: bool) -> None:
        """The reconciler ends entries that have no future, and a line that nobody is in."""
        if is_over or self.standby == "ending":
            self.users = []
        if not self.users:
            self.standby = "empty" if self.standby == "waiting" else None
