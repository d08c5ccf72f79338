"""Checks of whether Redis and Postgres take writes. Answering is not enough."""

from collections.abc import Iterator
from contextlib import closing

from coupons.gate import connect_gate
from coupons.gate.refusals import GateRefused
from coupons.gate.serving import check_serving as check_gate_serving
from coupons.ledger.connection import connect_ledger
from coupons.ledger.refusals import LedgerRefused
from coupons.ledger.serving import check_serving as check_ledger_serving
from operations.doctor.findings import Finding, Section, failing, ok
from operations.doctor.refusals import section_of
from operations.doctor.system import System


def check_redis_writes(places: System) -> Iterator[Finding]:
    """Raises GateUnavailable."""
    try:
        check_gate_serving(connect_gate(places.redis_url).client)
    except GateRefused as error:
        section = section_of(error, Section.REDIS_REFUSES)
        yield failing(
            "gate writes", f"{error}: no claim is admitted", "coupon gate status", section
        )
    else:
        yield ok("gate writes", "it takes them, and never evicts a key")


def check_postgres_writes(places: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable."""
    with closing(connect_ledger(places.database_url, "coupon-doctor")) as connection:
        try:
            check_ledger_serving(connection)
        except LedgerRefused as error:
            section = section_of(error, Section.POSTGRES_REFUSES)
            says = f"{error}: no claim is accepted and nothing is issued"
            yield failing("ledger writes", says, "coupon logs postgres", section)
        else:
            yield ok("ledger writes", "it takes them")
