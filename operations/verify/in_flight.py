"""Why requests that are accepted are not final: on their way, set aside, or lost by the stream."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from connectors.stream_state import StreamState
from coupons.ledger.connection import Connection
from coupons.ledger.requests import find_requests
from operations.verify.report import ConsistencyReport, Discrepancy

PASSES_WITHIN_SECONDS = 5.0
"""Heartbeats are a second apart: by then a stream that flows has brought one."""
LOST_AFTER_SECONDS = 30.0
"""A younger request is not called lost: its event may wait in a producer that tries again."""
_REQUESTS_PER_READ = 5_000
_PAUSE_SECONDS = 0.2

Letters = Mapping[tuple[int, int], str]
Look = Callable[[], StreamState]


def explain_in_flight(
    checked: Sequence[ConsistencyReport], look: Look, letters: Letters, connection: Connection
) -> tuple[list[ConsistencyReport], StreamState]:
    """Say of each request in flight why it is; returns the stream as it was last looked at.

    A request is lost when it is still not final after everything that was committed before this
    moment has been consumed, and no dead letter has it: its event is nowhere any more.
    """
    state = look()
    waiting = [each for books in checked for each in books.faults if each.why == "in_flight"]
    if not waiting:
        return list(checked), state
    moment_us = state.now_us
    deadline = time.monotonic() + PASSES_WITHIN_SECONDS
    while not (passed := state.has_passed(moment_us)) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        state = look()
    old_us = moment_us - int(LOST_AFTER_SECONDS * 1_000_000)
    lost = _still_unfinished(connection, [f for f in waiting if _is_older(f, old_us)])
    whys = {fault[:2]: _why(fault, letters, lost if passed else set(), state) for fault in waiting}
    return [_retold(books, whys) for books in checked], state


def _why(
    fault: Discrepancy, letters: Letters, lost: set[tuple[int, int]], state: StreamState
) -> Discrepancy:
    if fault[:2] in letters:
        place = letters[fault[:2]]
        return fault._replace(why="dead_letter", sentence=f"waits as dead letter {place}")
    if fault[:2] in lost:
        told = "the stream has passed it, and neither an outcome nor a dead letter came of it"
        return fault._replace(why="lost", sentence=told)
    return fault._replace(sentence=f"accepted and not final yet; {_where_it_is(state)}")


def _where_it_is(state: StreamState) -> str:
    if not state.connector_runs:
        return "the connector does not run"
    if state.records_behind is None:
        return "Kafka cannot be asked"
    if state.records_behind:
        return f"the consumers are {state.records_behind:,} events behind"
    return "on its way"


def _is_older(fault: Discrepancy, moment_us: int) -> bool:
    return fault.requested_at_us is not None and fault.requested_at_us < moment_us


def _still_unfinished(
    connection: Connection, faults: Sequence[Discrepancy]
) -> set[tuple[int, int]]:
    keys = iter([fault[:2] for fault in faults])
    found: set[tuple[int, int]] = set()
    while some := list(islice(keys, _REQUESTS_PER_READ)):
        requests = find_requests(connection, some)
        found |= {request[:2] for request in requests if not request.is_final}
    return found


def _retold(
    books: ConsistencyReport, whys: Mapping[tuple[int, int], Discrepancy]
) -> ConsistencyReport:
    faults = [whys[fault[:2]] if fault.why == "in_flight" else fault for fault in books.faults]
    unnamed = books.discrepancy_counts - Counter(fault.why for fault in books.faults)
    return books._replace(
        faults=faults, discrepancy_counts=unnamed + Counter(fault.why for fault in faults)
    )
