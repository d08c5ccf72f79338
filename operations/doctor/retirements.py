"""Check that no retirement was cut off: nothing of such a coupon changes until it is finished."""

from collections.abc import Iterator
from contextlib import closing

from coupons.ledger.connection import connect_ledger
from coupons.ledger.retired import count_unfinished_retirements
from operations.doctor.findings import Finding, Level
from operations.doctor.system import System


def check_retirements(system: System) -> Iterator[Finding]:
    """Nothing where all is well. Raises LedgerUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        unfinished = count_unfinished_retirements(connection)
    if unfinished:
        says = f"{unfinished:,} retirements began more than an hour ago, and are not finished"
        yield Finding("retirements", Level.WARNING, says, "coupon retire")
