"""Puts together the timeline of one request from what each part knows."""

from collections.abc import Iterator
from datetime import UTC, datetime

from coupons.change_events import REQUEST_TOPIC
from coupons.endpoints import Endpoints
from coupons.errors import NotThere
from coupons.ledger.requests import TimedRequest
from coupons.model import GateState, IssueRequest, Status, from_microseconds
from operations.dead_letters.status import UNRESOLVED, DeadLetterStatus
from operations.trace.facts import Facts, Unknown, is_forgotten, read_facts
from operations.trace.life import steps_of_life
from operations.trace.record_search import RecordSearch
from operations.trace.timeline import Stage, StageState, Step, Trace
from operations.trace.waiting_for import says_of_connector, says_of_consumers
from operations.trace.why_none import why_none

REACHED, WAITING, UNKNOWN = StageState.REACHED, StageState.WAITING, StageState.UNKNOWN


def trace_request(where: Endpoints, coupon_id: int, user_id: int) -> Trace:
    """The request of this user for this coupon.

    Raises NotThere when there is no such coupon, and SettingError where there is no stack. A server
    that does not answer makes its stages unknown.
    """
    facts = read_facts(where, coupon_id, user_id)
    if facts.coupon is None and facts.row is None and not isinstance(facts.marked, IssueRequest):
        raise NotThere(f"there is no coupon {coupon_id}: it was never defined, or its row is lost")
    notes = why_none(facts) if facts.requested_at_us is None else []
    if facts.row is None and facts.marked is None:
        return Trace(coupon_id, user_id, None, [], notes)
    return Trace(coupon_id, user_id, _status(facts), list(_steps(where, facts)), notes)


def _status(facts: Facts) -> Status | None:
    if isinstance(facts.row, TimedRequest):
        return facts.row.request.status
    return facts.marked.status if isinstance(facts.marked, IssueRequest) else None


def _steps(where: Endpoints, facts: Facts) -> Iterator[Step]:
    yield _admitted(facts)
    yield _accepted(facts)
    captured = _captured(where, facts)
    yield captured
    yield from _dead_letters(facts)
    yield _final(where, facts, captured)
    yield _marked(facts)
    if isinstance(facts.life, Unknown):
        yield Step(Stage.USED, UNKNOWN, str(facts.life))
    elif facts.life is not None:
        yield from steps_of_life(facts.life, datetime.now(UTC))


def _admitted(facts: Facts) -> Step:
    if facts.requested_at_us is not None:
        says = "the gate reserved one of the stock"
        return Step(Stage.ADMITTED, REACHED, says, from_microseconds(facts.requested_at_us))
    return Step(Stage.ADMITTED, UNKNOWN, _gate_says(facts.marked))


def _gate_says(marked: object) -> str:
    if isinstance(marked, GateState):
        return f"unknown: the gate is unavailable ({marked}); see `coupon gate status`"
    return str(marked) if isinstance(marked, Unknown) else "the gate has no such request"


def _accepted(facts: Facts) -> Step:
    if isinstance(facts.row, Unknown):
        return Step(Stage.ACCEPTED, UNKNOWN, str(facts.row))
    if facts.row is not None:
        return Step(Stage.ACCEPTED, REACHED, "its row is committed in Postgres")
    says = "no row in Postgres"
    if isinstance(facts.marked, IssueRequest) and not facts.marked.is_final:
        says += ": the API is writing it, or the reconciler will write it"
    elif isinstance(facts.marked, IssueRequest):
        says += f", although the gate has it as {facts.marked.status}: see `coupon verify`"
    return Step(Stage.ACCEPTED, WAITING, says)


def _captured(where: Endpoints, facts: Facts) -> Step:
    record = facts.record
    if isinstance(record, Unknown):
        return Step(Stage.CAPTURED, UNKNOWN, str(record))
    if record is not None and record.written_ms is not None:
        says = f"{REQUEST_TOPIC}, partition {record.partition}, offset {record.offset}"
        return Step(Stage.CAPTURED, REACHED, says, from_microseconds(record.written_ms * 1_000))
    if record is None or facts.row is None:
        return Step(Stage.CAPTURED, WAITING, "waits for its row")
    if facts.final_at is not None or not record.complete or record.trimmed:
        return Step(Stage.CAPTURED, UNKNOWN, _not_found(record))
    return Step(Stage.CAPTURED, WAITING, says_of_connector(where))


def _not_found(record: RecordSearch) -> str:
    says = f"unknown: its record is not among the {record.read:,} read"
    if not record.complete:
        return f"{says}; there are more, which are not searched"
    return f"{says}; retention may have removed it" if record.trimmed else says


def _dead_letters(facts: Facts) -> Iterator[Step]:
    if isinstance(facts.letters, Unknown):
        yield Step(Stage.DEAD_LETTER, UNKNOWN, str(facts.letters))
        return
    for each in facts.letters:
        at = from_microseconds(each.letter.dead_lettered_ms * 1_000)
        yield Step(Stage.DEAD_LETTER, REACHED, _letter_says(each), at)


def _letter_says(status: DeadLetterStatus) -> str:
    metadata = status.letter.metadata
    message = " ".join(metadata.error_message.split())
    says = f"{status.letter.position}, {status.state}: {metadata.error_class}: {message[:200]}"
    if status.last_action is not None:
        last = status.last_action
        says += f"; {last.action} {last.result} by {last.acted_by} at {_clock(last.acted_at)}"
    return says


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"


def _final(where: Endpoints, facts: Facts, captured: Step) -> Step:
    row = facts.row
    if isinstance(row, Unknown):
        return Step(Stage.FINAL, UNKNOWN, str(row))
    if row is not None and row.request.is_final:
        issued = row.request.status is Status.ISSUED
        says = "a coupon of the stock" if issued else f"reason: {row.request.reason}"
        return Step(Stage.ISSUED if issued else Stage.REJECTED, REACHED, says, row.final_at)
    letters = [] if isinstance(facts.letters, Unknown) else facts.letters
    waiting = [each for each in letters if each.state in UNRESOLVED and each.came_back_as is None]
    if waiting:
        position = waiting[-1].letter.position
        says = f"waits as dead letter {position}: `coupon dead-letters show {position}`"
    elif captured.state is REACHED:
        says = says_of_consumers(where)
    elif captured.state is UNKNOWN:
        says = "not final; whether its record is in Kafka is unknown"
    else:
        says = "waits for its record in Kafka"
    return Step(Stage.FINAL, WAITING, says)


def _marked(facts: Facts) -> Step:
    marked, row = facts.marked, facts.row
    if isinstance(marked, Unknown | GateState):
        return Step(Stage.MARKED, UNKNOWN, _gate_says(marked))
    if marked is not None and marked.is_final:
        says = f"the gate has it as {marked.status}"
        if isinstance(row, TimedRequest) and row.request.status is not marked.status:
            says += f", and Postgres as {row.request.status}: see `coupon verify`"
        return Step(Stage.MARKED, REACHED, says)
    if is_forgotten(facts.coupon):
        return Step(Stage.MARKED, REACHED, "the gate has forgotten it: the coupon is archived")
    if isinstance(row, TimedRequest) and row.request.is_final:
        says = "not marked yet: the consumer does it after the commit, else the reconciler"
        return Step(Stage.MARKED, WAITING, says)
    return Step(Stage.MARKED, WAITING, "waits until it is final")
