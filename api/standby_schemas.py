"""The JSON forms of standby lists, as clients receive them."""

from typing_extensions import TypedDict

from api.schemas import Count, Id, RequestId, Time, optional_time, rfc3339
from coupons.ids import request_id
from coupons.ledger.standby import EntryState, StandbyCounts, StandbyEntry


class StandbyEntryView(TypedDict):
    """Where a user is in a line, or what became of it.

    state: waiting; promoted: the user has a request now, `request_id`;
    left; not_eligible: the coupon is for another group now; ended: the coupon was closed, its time
    is over, or it has no standby list any more. users_ahead: null: not waiting, or more than
    10,000. request_id: null: not promoted. ended_at: when it was written that the user waits no
    more; null: it was not yet.
    """

    coupon_id: Id
    user_id: Id
    state: EntryState
    joined_at: Time
    ended_at: Time | None
    users_ahead: Count | None
    request_id: RequestId | None


class StandbyListView(TypedDict):
    """The standby list of a coupon, in numbers. is_on: whether users may join."""

    coupon_id: Id
    is_on: bool
    waiting: Count
    promoted: Count


def view_entry(coupon_id: int, user_id: int, entry: StandbyEntry) -> StandbyEntryView:
    """The JSON form of a user's entry."""
    has_request = entry.state is EntryState.PROMOTED
    return {
        "coupon_id": str(coupon_id),
        "user_id": str(user_id),
        "state": entry.state,
        "joined_at": rfc3339(entry.joined_at),
        "ended_at": optional_time(entry.ended_at),
        "users_ahead": entry.users_ahead,
        "request_id": str(request_id(coupon_id, user_id)) if has_request else None,
    }


def view_list(coupon_id: int, counts: StandbyCounts) -> StandbyListView:
    """The JSON form of a coupon's standby list."""
    return {
        "coupon_id": str(coupon_id),
        "is_on": counts.is_on,
        "waiting": counts.waiting,
        "promoted": counts.promoted,
    }
