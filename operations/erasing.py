"""Erases a user as an operator does: with the dead letters, which ledger and gate cannot reach."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from connectors.topic_settings import TopicSettings
from coupons.change_events.dead_letter_topic import delete_dead_letters
from coupons.gate.erasing import check_erasable, erase_user, preview_erasure
from coupons.ledger.connection import Connection
from coupons.ledger.erasures import Erasure, UserInFlight, count_requests_to_erase
from operations.dead_letters.audit import add_action, take_lock
from operations.dead_letters.status import UNRESOLVED, DeadLetterStatus, State, read_statuses
from operations.retiring.open_exports import ErasedExports, erase_exports
from operations.session import Session


class Preview(NamedTuple):
    """What there is of a user. counts: rows by table. log_keeps: None: Kafka keeps it for good.

    refused: why an erasure would erase nothing now; then only requests and outcomes are counted.
    """

    counts: dict[str, int]
    dead_letters: int
    log_keeps: timedelta | None
    refused: str | None


class Erased(NamedTuple):
    """dead_letters: deleted from Kafka. dead_letters_left: behind others that need an operator."""

    erasure: Erasure
    dead_letters: int
    dead_letters_left: int
    exports: ErasedExports


def preview(session: Session, user_id: int) -> Preview:
    """What an erasure would erase; nothing changes.

    Raises RedisUnavailable, LedgerUnavailable or KafkaUnavailable.
    """
    refused = None
    try:
        check_erasable(session.gate, session.connection, user_id)
        counts = preview_erasure(session.connection, user_id)
    except UserInFlight as error:
        refused = str(error)
        counts = count_requests_to_erase(session.connection, user_id)
    statuses = read_statuses(session.where, session.connection, repeated=True)
    log_keeps = TopicSettings(session.where.kafka_client()).longest_kept()
    return Preview(counts, len(_of(statuses, user_id)), log_keeps, refused)


def erase(session: Session, user_id: int, asked_by: str, moved_to: Path | None = None) -> Erased:
    """Erase the user, also from dead letters and files of retired coupons; it may be repeated.

    moved_to: as in erase_exports.

    Raises UserInFlight, DeadLettersBusy, RedisUnavailable, LedgerUnavailable or KafkaUnavailable.
    """
    log_keeps = TopicSettings(session.where.kafka_client()).longest_kept()
    take_lock(session.connection)
    # Before anything is noted: what is in flight still needs its dead letters.
    check_erasable(session.gate, session.connection, user_id)
    statuses = read_statuses(session.where, session.connection, repeated=True)
    mine = _of(statuses, user_id)
    _discard(session.connection, statuses, mine, asked_by)
    erasure = erase_user(session.gate, session.connection, user_id, asked_by, log_keeps)
    last = _deletable(statuses, mine)
    delete_dead_letters(session.where.kafka_client(), last)
    deleted = sum(each.letter.offset <= last.get(each.letter.partition, -1) for each in mine)
    exports = erase_exports(session.connection, asked_by, user_id, moved_to)
    return Erased(erasure, deleted, len(mine) - deleted, exports)


def _discard(
    connection: Connection,
    statuses: Iterable[DeadLetterStatus],
    mine: Sequence[DeadLetterStatus],
    acted_by: str,
) -> None:
    """Note it for each of the user's: without their request they would be open again.

    And for others whose state comes from what goes: from an earlier letter of the same record, or
    from an erasure that the ledger forgets. No row names a user.
    """
    for each in statuses:
        is_noted = each.last_action is not None and each.last_action.result == "discarded"
        if not is_noted and (each in mine or each.state is State.DISCARDED):
            coupon_id = None if each.key is None else each.key[0]
            why = "erased" if each in mine else "was discarded before"
            request = (coupon_id, None)
            add_action(connection, each.letter, request, acted_by, "discard", "discarded", why)


def _of(statuses: Iterable[DeadLetterStatus], user_id: int) -> list[DeadLetterStatus]:
    return [each for each in statuses if each.key is not None and each.key[1] == user_id]


def _deletable(
    statuses: Sequence[DeadLetterStatus], mine: Sequence[DeadLetterStatus]
) -> dict[int, int]:
    """By partition, the offset up to which dead letters can go: of the last of these.

    Kafka deletes from the beginning only. So it ends before the first that is somebody else's and
    still needs an operator.
    """
    last: dict[int, int] = {}
    needed: set[int] = set()
    for each in statuses:
        partition, offset = each.letter.partition, each.letter.offset
        if each not in mine and each.state in UNRESOLVED:
            needed.add(partition)
        elif each in mine and partition not in needed:
            last[partition] = offset
    return last
