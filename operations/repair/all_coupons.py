"""Compares and repairs one coupon after the other; one that fails does not stop the others."""

from collections.abc import Iterator

from operations.repair.compare_and_repair import compare_and_repair
from operations.repair.failure_scope import is_of_one_coupon
from operations.repair.repairs import Repair, RepairAction
from operations.session import Session


def repair_coupons(
    session: Session, coupon_id: int | None, dry_run: bool, pending_after_s: float
) -> Iterator[Repair]:
    """Repair all coupons, or one; yield each repair after it was done, or in a dry run would be.

    pending_after_s: age from which a claim without a row is written on its user's behalf. A coupon
    that cannot be processed is yielded as FAILED. Raises RedisUnavailable, LedgerUnavailable or
    NotThere.
    """
    coupons, unreadable = session.coupons(coupon_id)
    for failed in unreadable:
        yield Repair(RepairAction.FAILED, failed.why, failed.coupon_id, 0)
    for coupon in coupons:
        try:
            yield from compare_and_repair(
                session.gate, session.connection, coupon, pending_after_s, dry_run=dry_run
            )
        except Exception as error:
            if not is_of_one_coupon(error, session.connection):
                raise
            yield Repair(RepairAction.FAILED, str(error), coupon.coupon_id, 0)
