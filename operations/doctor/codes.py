"""Check that each pool has a code for every coupon of the total, before the sale opens."""

from collections.abc import Iterator
from contextlib import closing

from coupons.ledger.codes import ShortPool, count_pools, list_short_pools
from coupons.ledger.connection import connect_ledger
from operations.doctor.findings import Finding, Section, ok, warning
from operations.doctor.system import System

MOST_NAMED_POOLS = 5


def check_codes(system: System) -> Iterator[Finding]:
    """Nothing where no coupon takes its codes from a pool. Raises LedgerUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        pools = count_pools(connection)
        short = list_short_pools(connection)
    if not pools:
        return
    if not short:
        yield ok("codes", "every pool has a code for each coupon of the total")
        return
    named = "; ".join(_sentence(each) for each in short[:MOST_NAMED_POOLS])
    more = len(short) - MOST_NAMED_POOLS
    says = f"{named}; and {more} more pools" if more > 0 else named
    command = f"upload more codes to coupon {short[0].coupon_id}"
    yield warning("codes", says, command, Section.POOL_SHORT)


def _sentence(pool: ShortPool) -> str:
    when = "is open" if pool.is_open else f"opens {pool.opens} UTC"
    return f"coupon {pool.coupon_id} {when}, and its pool lacks {pool.missing} codes"
