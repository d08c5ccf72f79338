"""Why accepted requests are not final: in flight, dead-lettered, or lost by the stream."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from connectors.stream_state import StreamState
from coupons.ledger.connection import Connection
from coupons.ledger.requests import find_requests
from coupons.waiting import attempts
from operations.verify.mismatch import MismatchKind
from operations.verify.report import ConsistencyReport, Discrepancy

PASSES_WITHIN_SECONDS = 5.0
"""Heartbeats are a second apart: within this time a running stream delivers one."""
LOST_AFTER_SECONDS = 30.0
"""A younger request is not called lost: its event may wait in a producer that retries."""
_REQUESTS_PER_READ = 5_000
_PAUSE_SECONDS = 0.2

DeadLetters = Mapping[tuple[int, int], str]
"""By coupon and user: the position of the dead letter."""


def explain_in_flight(
    reports: Sequence[ConsistencyReport],
    read_state: Callable[[], StreamState],
    letters: DeadLetters,
    connection: Connection,
) -> tuple[list[ConsistencyReport], StreamState]:
    """The reports with the reason of each request in flight, and the last state of the stream.

    A request is lost when it is not final although everything that was committed before this moment
    has been consumed, and no dead letter has it: its event no longer exists.
    """
    state = read_state()
    waiting = [
        each
        for report in reports
        for each in report.discrepancies
        if each.why is MismatchKind.IN_FLIGHT
    ]
    if not waiting:
        return list(reports), state
    moment_us = state.now_us
    for _ in attempts(PASSES_WITHIN_SECONDS, _PAUSE_SECONDS):
        if state.has_passed(moment_us):
            break
        state = read_state()
    passed = state.has_passed(moment_us)
    old_us = moment_us - int(LOST_AFTER_SECONDS * 1_000_000)
    lost = _not_final(connection, [each for each in waiting if _is_older(each, old_us)])
    explained = {
        each[:2]: _explain(each, letters, lost if passed else set(), state) for each in waiting
    }
    return [_replace(report, explained) for report in reports], state


def _explain(
    found: Discrepancy, letters: DeadLetters, lost: set[tuple[int, int]], state: StreamState
) -> Discrepancy:
    key = found[:2]
    if key in letters:
        sentence = f"waits as dead letter {letters[key]}"
        return found._replace(why=MismatchKind.DEAD_LETTER, sentence=sentence)
    if key in lost:
        sentence = "the stream has passed it, and it has neither an outcome nor a dead letter"
        return found._replace(why=MismatchKind.LOST, sentence=sentence)
    return found._replace(sentence=f"accepted and not final yet; {_position(state)}")


def _position(state: StreamState) -> str:
    if not state.connector_runs:
        return "the connector does not run"
    if state.records_behind is None:
        return "Kafka does not answer"
    if state.records_behind:
        return f"the consumers are {state.records_behind:,} events behind"
    return "in flight"


def _is_older(found: Discrepancy, moment_us: int) -> bool:
    return found.requested_at_us is not None and found.requested_at_us < moment_us


def _not_final(connection: Connection, waiting: Sequence[Discrepancy]) -> set[tuple[int, int]]:
    keys = iter([each[:2] for each in waiting])
    found: set[tuple[int, int]] = set()
    while some := list(islice(keys, _REQUESTS_PER_READ)):
        requests = find_requests(connection, some)
        found |= {request[:2] for request in requests if not request.is_final}
    return found


def _replace(
    report: ConsistencyReport, explained: Mapping[tuple[int, int], Discrepancy]
) -> ConsistencyReport:
    discrepancies = [
        explained[each[:2]] if each.why is MismatchKind.IN_FLIGHT else each
        for each in report.discrepancies
    ]
    unnamed = report.discrepancy_counts - Counter(each.why for each in report.discrepancies)
    return report._replace(
        discrepancies=discrepancies,
        discrepancy_counts=unnamed + Counter(each.why for each in discrepancies),
    )
