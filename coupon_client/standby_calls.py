"""The calls about standby lists: a user waits, an administrator switches a list on."""

from dataclasses import dataclass
from datetime import datetime

from coupon_client.calls import Calls


@dataclass(frozen=True, slots=True)
class StandbyEntry:
    """Where a user is in a line. state: waiting, promoted, left, not_eligible or ended.

    users_ahead: None: not waiting, or more than 10,000. request_id: of who was promoted.
    """

    coupon_id: int
    user_id: int
    state: str
    joined_at: datetime
    ended_at: datetime | None
    users_ahead: int | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class StandbyList:
    """The standby list of a coupon in numbers. is_on: whether users may join."""

    coupon_id: int
    is_on: bool
    waiting: int
    promoted: int


class StandbyCalls:
    """Each method is the operation of that name in the API's description.

    Joining and leaving may be repeated without doing it twice, and are.
    """

    _calls: Calls

    def join_line(self, coupon_id: int) -> StandbyEntry:
        """Wait for a coupon that is sold out; again: the same entry.

        Raises Refused: "no-standby-list", "not-sold-out", "requested", ...
        """
        return self._calls.get(StandbyEntry, "POST", _line(coupon_id))

    def read_line(self, coupon_id: int) -> StandbyEntry:
        """Where the user is in the line, or what became of it."""
        return self._calls.get(StandbyEntry, "GET", _line(coupon_id))

    def leave_line(self, coupon_id: int) -> StandbyEntry:
        """Wait no more. Raises Refused: "requested": the user is promoted already."""
        return self._calls.get(StandbyEntry, "DELETE", _line(coupon_id))

    def read_standby_list(self, coupon_id: int) -> StandbyList:
        """How many wait for a coupon."""
        return self._calls.get(StandbyList, "GET", f"/coupons/{coupon_id}/standby-list")

    def switch_standby_list(self, coupon_id: int, is_on: bool) -> StandbyList:
        """Give a coupon a standby list, or take it away. Sent once."""
        path = f"/coupons/{coupon_id}/standby-list"
        return self._calls.get(StandbyList, "PUT", path, repeatable=False, json={"is_on": is_on})


def _line(coupon_id: int) -> str:
    return f"/coupons/{coupon_id}/standby"
