"""Promises about the change stream, committed offsets and dead letters."""

from chaos.checkers.naming import named
from chaos.evidence import Evidence
from chaos.history import History


def offsets_follow_rows(_: History, evidence: Evidence) -> list[str]:
    """An offset is committed only after the row's outcome, or after its dead letter."""
    final = {(each.coupon_id, each.user_id) for each in evidence.requests if each.is_final}
    ours = {(each.coupon_id, each.user_id) for each in evidence.requests}
    dead_lettered = {letter.position for letter in evidence.dead_letters}
    return [
        f"offset {offset} of partition {partition} is committed, and"
        f" {named(record.key) if record.key else 'its record'} is neither final nor a dead letter"
        for record in evidence.delivered
        for partition, offset in [record.position]
        if offset < evidence.committed.get(partition, 0)
        and record.position not in dead_lettered
        and (record.key is None or (record.key in ours and record.key not in final))
    ]


def every_request_is_streamed(_: History, evidence: Evidence) -> list[str]:
    """The change stream has no gap: every row is on the topic."""
    streamed = {record.key for record in evidence.delivered}
    return [
        f"{named(key)} is a row and not on the topic"
        for key in sorted((each.coupon_id, each.user_id) for each in evidence.requests)
        if key not in streamed
    ]


def garbage_is_dead_lettered(history: History, evidence: Evidence) -> list[str]:
    """A record that cannot be handled is kept, with its bytes."""
    kept = {letter.value for letter in evidence.dead_letters}
    return [
        f"garbage {each.hex()} is not a dead letter" for each in history.garbage if each not in kept
    ]


def only_garbage_is_dead_lettered(history: History, evidence: Evidence) -> list[str]:
    """No fault turns a good record into a dead letter."""
    written = set(history.garbage)
    return [
        f"the record at offset {letter.position[1]} of partition {letter.position[0]}"
        " is a dead letter"
        for letter in evidence.dead_letters
        if letter.value not in written
    ]
