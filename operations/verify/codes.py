"""The codes of issued coupons: whether they are all counted, and those that do not fit."""

from datetime import datetime
from typing import NamedTuple

from coupons.codes import CodeKind
from coupons.ledger.connection import Connection, translated
from coupons.queries import query
from operations.verify.mismatch import MismatchKind
from operations.verify.report import MOST_NAMED, Discrepancy

_TIME = "%Y-%m-%d %H:%M:%S UTC"


class CodeCounts(NamedTuple):
    """The codes of one coupon.

    pool_size: how many its pool should have; in_pool: how many it has. twice: codes that are there
    more than once. owed: issued coupons that may ask for a code of the pool and have none.
    """

    coupon_id: int
    kind: CodeKind
    pool_size: int
    in_pool: int
    given: int
    free: int
    twice: int
    owed: int

    @property
    def complaints(self) -> list[str]:
        """What is wrong with the counts, in sentences."""
        lines = []
        if self.in_pool != self.pool_size:
            lines.append(f"{self.pool_size:,} codes were uploaded, and {self.in_pool:,} are there")
        if self.twice:
            lines.append(f"{self.twice:,} of its codes are there more than once")
        if self.owed > self.free:
            lines.append(
                f"{self.owed:,} issued coupons have no code yet, and {self.free:,} are left in its"
                " pool: upload more"
            )
        return [f"coupon {self.coupon_id}: {line}" for line in lines]


def count_codes(connection: Connection, coupon_id: int | None = None) -> list[CodeCounts]:
    """Of each coupon that has codes and is not retired, or of one. Raises LedgerUnavailable.

    Reads every code, and the issued coupons of each pool.
    """
    with translated(connection):
        rows = connection.execute(query("count_codes"), {"coupon_id": coupon_id}).fetchall()
    return [CodeCounts(coupon, CodeKind(kind), *counts) for coupon, kind, *counts in rows]


def find_wrong_codes(
    connection: Connection, coupon_id: int | None = None, most: int = MOST_NAMED
) -> list[Discrepancy]:
    """Issued coupons whose codes are wrong, about so many. Raises LedgerUnavailable.

    Nothing in this project gives such a code: the ledger was restored in part, or corrected by
    hand. Reads every code.
    """
    values = {"coupon_id": coupon_id, "most": most}
    with translated(connection):
        rows = connection.execute(query("find_wrong_codes"), values).fetchall()
    return [
        Discrepancy(coupon, user, MismatchKind(why), _sentence(MismatchKind(why), *times))
        for coupon, user, why, *times in rows
    ]


def _sentence(why: MismatchKind, given_at: datetime | None, since: datetime | None) -> str:
    if why is MismatchKind.NOT_ISSUED:
        return "it has a code, and there is no issued coupon"
    if why is MismatchKind.TWO_CODES:
        return "it has more than one code"
    if why is MismatchKind.WRONG_CHECK:
        return "the check character of its code is wrong, so that no till finds it"
    return f"its code was given at {given_at:{_TIME}}, and it was over at {since:{_TIME}}"
