"""What is not there because its coupon is retired is gone, and not unknown."""

from api.problems import Problem, ProblemType
from coupons.ledger.connection import LedgerPool, pooled
from coupons.ledger.retired import find_retired


def gone_or(pool: LedgerPool, coupon_id: int, missing: Problem) -> Problem:
    """410 for what belongs to a retired coupon, else `missing`; reads one row by its key.

    Whether the caller had it is not known any more: they may ask for it, and that is enough.
    """
    with pooled(pool) as connection:
        is_retired = coupon_id in find_retired(connection, [coupon_id])
    if not is_retired:
        return missing
    return Problem(
        ProblemType.RETIRED,
        f"Coupon {coupon_id} is retired: its requests and issued coupons are in files of the"
        " operator, and no longer here.",
    )
