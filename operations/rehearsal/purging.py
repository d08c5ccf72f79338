"""Purges a rehearsal as an operator does, and says what Kafka still has."""

from datetime import timedelta
from typing import NamedTuple

from connectors.topic_settings import TopicSettings
from coupons.endpoints import DATABASE_URL
from coupons.gate.purging import Purge, Remains, look_up, purge
from coupons.ledger.connection import connect_ledger
from operations.session import Session

LONGEST_PURGE_SECONDS = 3_600.0
"""It deletes in one transaction: 100,000 users took 22 s on two cores with ten times their work."""


class Preview(NamedTuple):
    """What a purge would remove. log_keeps: how long Kafka keeps a record; None: for good."""

    remains: Remains
    log_keeps: timedelta | None


def preview_purge(session: Session, coupon_id: int) -> Preview:
    """What there is of a rehearsal; nothing changes.

    Raises NotThere when it is none, RedisUnavailable, LedgerUnavailable or KafkaUnavailable.
    """
    remains = look_up(session.gate, session.connection, coupon_id)
    return Preview(remains, _longest_kept(session))


def purge_rehearsal(session: Session, coupon_id: int, acted_by: str) -> Purge:
    """Purge it, and look again; repeating it is harmless.

    Raises NotThere when it is none, PurgeRefused, RedisUnavailable, LedgerUnavailable or
    KafkaUnavailable.
    """
    keeps = _longest_kept(session)
    with connect_ledger(
        session.where[DATABASE_URL], "coupon-rehearsal", LONGEST_PURGE_SECONDS
    ) as connection:
        return purge(session.gate, connection, coupon_id, acted_by, keeps)


def _longest_kept(session: Session) -> timedelta | None:
    return TopicSettings(session.where.kafka_client()).longest_kept()
