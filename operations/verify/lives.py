"""What has become of issued coupons: whether they are all counted, and changes that do not fit."""

from datetime import datetime
from typing import NamedTuple

from coupons.ledger.connection import Connection, translated
from coupons.ledger.retired import Retired
from coupons.queries import query
from operations.verify.mismatch import MismatchKind
from operations.verify.report import MOST_NAMED, Discrepancy

_TIME = "%Y-%m-%d %H:%M:%S UTC"


class LifeCounts(NamedTuple):
    """The issued coupons of one coupon, by state.

    issued: counted from the issued coupons; the others from the last change of each, and from the
    time for those that have expired by it.
    """

    coupon_id: int
    issued: int
    active: int
    used: int
    expired: int
    revoked: int

    @property
    def complaint(self) -> str:
        """What is wrong with the counts; "": nothing."""
        by_state = sum(self[2:])
        if by_state == self.issued:
            return ""
        return (
            f"coupon {self.coupon_id}: {self.issued:,} are issued, and by their changes"
            f" {by_state:,} are active, used, expired or revoked"
        )


def kept_life(retired: Retired) -> LifeCounts:
    """What became of the issued coupons of a retired coupon, as it was when it was retired."""
    kept = retired.counts
    counts = kept.issued, kept.active, kept.used, kept.expired, kept.revoked
    return LifeCounts(retired.coupon_id, *counts)


def count_lives(connection: Connection, coupon_id: int | None = None) -> list[LifeCounts]:
    """Of each coupon of which an issued coupon was changed, or of one. Raises LedgerUnavailable.

    Reads every change, and the issued coupons of these coupons.
    """
    with translated(connection):
        rows = connection.execute(query("count_lives"), {"coupon_id": coupon_id}).fetchall()
    return [LifeCounts(*row) for row in rows]


def find_wrong_changes(
    connection: Connection, coupon_id: int | None = None, most: int = MOST_NAMED
) -> list[Discrepancy]:
    """The first wrong change of each issued coupon, at most so many. Raises LedgerUnavailable.

    Nothing in this project writes one: the ledger was restored in part, or corrected by hand. Reads
    every change.
    """
    values = {"coupon_id": coupon_id, "most": most}
    with translated(connection):
        rows = connection.execute(query("find_wrong_changes"), values).fetchall()
    return [
        Discrepancy(coupon, user, MismatchKind(why), _sentence(MismatchKind(why), *change))
        for coupon, user, why, *change in rows
    ]


def _sentence(
    why: MismatchKind,
    number: int,
    from_state: str,
    to_state: str,
    before: str,
    changed_at: datetime,
    expires_at: datetime | None,
) -> str:
    change = f"change {number} from {from_state} to {to_state}"
    if why is MismatchKind.NOT_ISSUED:
        return f"{change}, and there is no issued coupon"
    if why is MismatchKind.LATE_USE:
        return f"{change} at {changed_at:{_TIME}}, after it expired at {expires_at:{_TIME}}"
    return (
        f"{change} does not continue what is before it: {before}, of another order, or a change is"
        " missing"
    )
