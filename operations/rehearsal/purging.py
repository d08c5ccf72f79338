"""Purges a rehearsal as an operator does, and says what Kafka still has."""

from datetime import timedelta
from typing import NamedTuple

from connectors.topic_settings import TopicSettings
from coupons.gate.purging import Purge, Remains, look_up, purge
from operations.session import Session


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
    return purge(session.gate, session.connection, coupon_id, acted_by, keeps)


def _longest_kept(session: Session) -> timedelta | None:
    return TopicSettings(session.where.kafka_client()).longest_kept()
