"""Check that no proof of an erasure says too early that Kafka's part is over.

The API cannot ask Kafka how long it keeps a record. When Kafka keeps one for longer, the ledger
forgets too early that its request was erased: the request then seems lost, and a record that is
handled again brings it back for good.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

from connectors.topic_settings import TopicSettings
from coupons.ledger.connection import connect_ledger
from coupons.ledger.erased_requests import count_early_proofs
from operations.doctor.findings import Finding, Section, warning
from operations.doctor.system import System


def check_erasures(system: System) -> Iterator[Finding]:
    """Nothing where all is well. Raises KafkaUnavailable or LedgerUnavailable."""
    kept = TopicSettings(system.kafka).longest_kept()
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        early = count_early_proofs(connection, kept)
    if early:
        yield _too_early(early, kept)


def _too_early(early: int, kept: timedelta | None) -> Finding:
    if kept is None:
        long, command = "for good", "set retention.ms on the request topic and the events"
    else:
        days = -(-kept // timedelta(days=1))
        long = f"for {kept}"
        command = f"restart the APIs with COUPON_API_LOG_KEEPS_DAYS={days}"
    says = f"{early:,} proofs of erasures end before Kafka does, which keeps its records {long}"
    return warning("erasures", says, command, Section.TOPICS)
