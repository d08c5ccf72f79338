"""Check that retirements are finished, and that their files name nobody who was erased.

Nothing of a coupon changes while its retirement is cut off.
"""

from collections.abc import Iterator
from contextlib import closing

from coupons.ledger.connection import connect_ledger
from coupons.ledger.exports_to_erase import count_exports_to_erase
from coupons.ledger.retired import count_unfinished_retirements
from operations.doctor.findings import Finding, Level
from operations.doctor.system import System


def check_retirements(system: System) -> Iterator[Finding]:
    """Nothing where all is well. Raises LedgerUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        unfinished = count_unfinished_retirements(connection)
        exports = count_exports_to_erase(connection)
    if unfinished:
        says = f"{unfinished:,} retirements began more than an hour ago, and are not finished"
        yield Finding("retirements", Level.WARNING, says, "coupon retire")
    if exports:
        says = f"files of {exports:,} retired coupons may still name users who were erased"
        yield Finding("erasures", Level.WARNING, says, "coupon erase --exports")
