"""The promises, each as a function of what callers were told and what the stores hold.

A checker takes a history and the evidence read after everything settled, and returns a complaint
for each request that breaks its promise; none when the promise was kept.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from chaos.evidence import Evidence
from chaos.history import IN_TROUBLE, Answer, History, Key
from coupons.ids import request_id
from coupons.model import Status

EXPECTED_ANSWERS = (200, 202, 409, 503, 0)
MOST_NAMED = 20
"""Complaints of one checker that are shown; the others are counted."""
LINGERING_SECONDS = 10.0

_FINAL = (str(Status.ISSUED), str(Status.REJECTED))

Checker = Callable[[History, Evidence], list[str]]


def named(key: Key) -> str:
    """A request, as an operator would look it up."""
    return f"request {request_id(*key)} (coupon {key[0]}, user {key[1]})"


def nothing_else_is_answered(history: History, _: Evidence) -> list[str]:
    """200, 202, 409, 503 or a lost connection: never an error of our own."""
    return [str(each) for each in history.answers if each.status not in EXPECTED_ANSWERS]


def an_answer_names_its_request(history: History, _: Evidence) -> list[str]:
    """Whoever is accepted, or may have been, is told where to ask."""
    return [
        f"{each}: its Location is {each.location!r}"
        for each in history.answers
        if (each.accepted or each.kind == "outcome-unknown")
        and each.location != f"/issue-requests/{request_id(*each.key)}"
    ]


def an_accepted_claim_is_one_row(history: History, evidence: Evidence) -> list[str]:
    """202 means that the request is a committed row, and so does 200."""
    rows = Counter((request.coupon_id, request.user_id) for request in evidence.requests)
    accepted = {each.key: each for each in history.answers if each.accepted}
    return [
        f"{named(key)} was answered {answer.status} and is {rows[key]} rows"
        for key, answer in accepted.items()
        if rows[key] != 1
    ]


def every_request_is_final(_: History, evidence: Evidence) -> list[str]:
    """Every accepted request becomes ISSUED or REJECTED."""
    return [
        f"{named((request.coupon_id, request.user_id))} is still REQUESTED"
        for request in evidence.requests
        if not request.is_final
    ]


def a_final_status_stays(history: History, evidence: Evidence) -> list[str]:
    """Who was told ISSUED or REJECTED is that for ever: nobody hears it before the commit."""
    status = {(each.coupon_id, each.user_id): each.status for each in evidence.requests}
    told = {(each.key, each.told) for each in history.answers if each.told in _FINAL}
    return [
        f"{named(key)} was told {word} and is {status.get(key, 'unknown')} in the ledger"
        for key, word in sorted(told)
        if status.get(key) != word
    ]


def never_oversold(_: History, evidence: Evidence) -> list[str]:
    """Issued coupons never exceed the total, counted from the rows; the counter says the same."""
    issued = Counter(key[0] for key in evidence.issued)
    complaints = [
        f"coupon {coupon_id} has {total} places and {issued[coupon_id]} are issued"
        for coupon_id, total in evidence.totals.items()
        if issued[coupon_id] > total
    ]
    return complaints + [
        f"coupon {coupon_id} counts {counted} issued, and {issued[coupon_id]} are"
        for coupon_id, counted in evidence.issued_counts.items()
        if counted != issued[coupon_id]
    ]


def an_accepted_request_is_issued(history: History, evidence: Evidence) -> list[str]:
    """Where the total never fell nobody who was admitted is rejected: there was a place."""
    complaints = []
    for key in evidence.rejected:
        totals = [stock.total for stock in history.stocks.get(key[0], ())]
        if totals and totals == sorted(totals):
            complaints.append(f"{named(key)} is rejected, though the total never fell")
    return complaints


def one_coupon_for_a_user(_: History, evidence: Evidence) -> list[str]:
    """One request, and at most one issued coupon, for a user; never issued and rejected both."""
    requests = {(each.coupon_id, each.user_id) for each in evidence.requests}
    outcomes = Counter([*evidence.issued, *evidence.rejected])
    return [
        f"{named(key)} has {count} outcomes" for key, count in outcomes.items() if count > 1
    ] + [
        f"{named(key)} has an outcome and was never accepted"
        for key in outcomes
        if key not in requests
    ]


def gate_equals_ledger(_: History, evidence: Evidence) -> list[str]:
    """The gate knows every request as the ledger has it, and knows of no other."""
    ledger = {(each.coupon_id, each.user_id): each for each in evidence.requests}
    complaints = [f"the gate is closed for coupon {coupon_id}" for coupon_id in evidence.closed]
    for key in sorted(ledger.keys() | evidence.at_gate.keys()):
        there, here = ledger.get(key), evidence.at_gate.get(key)
        if there != here and key[0] not in evidence.closed:
            complaints.append(
                f"{named(key)} is {there.status if there else 'unknown'} in the ledger"
                f" and {here.status if here else 'unknown'} at the gate"
                + (" (of another moment)" if there and here and there[3:] == here[3:] else "")
            )
    return complaints


def sold_out_means_that_all_are_issued(history: History, evidence: Evidence) -> list[str]:
    """Demand exceeded the total and everything settled: then exactly the total is issued.

    Judged where somebody was refused after the last quiet moment with no claim in trouble since:
    places that were given back before had been taken again by then.
    """
    complaints = []
    issued = Counter(key[0] for key in evidence.issued)
    for coupon_id, answers in _by_coupon(history.answers).items():
        quiet = history.last_quiet(float("inf"))
        since = [answer for answer in answers if answer.began >= quiet]
        if any(answer.status in IN_TROUBLE for answer in since):
            continue
        total = evidence.totals.get(coupon_id, 0)
        if any(answer.sold_out for answer in since) and issued[coupon_id] != total:
            complaints.append(
                f"coupon {coupon_id} is sold out with {issued[coupon_id]} of {total} issued"
            )
    return complaints


def refused_only_when_full(history: History, evidence: Evidence) -> list[str]:
    """No claim is refused as sold out while places are left.

    At most these hold a place when a refusal is made: whoever has a row and had claimed by then,
    and whoever got into trouble since the gate was last seen equal to the ledger. When they are
    fewer than the total, the refusal was wrong.
    """
    rows = {(request.coupon_id, request.user_id) for request in evidence.requests}
    complaints = []
    for coupon_id, answers in _by_coupon(history.answers).items():
        refusals = [answer for answer in answers if answer.sold_out]
        holding = _Holding(answers, rows)
        for refusal in sorted(refusals, key=lambda each: each.ended):
            quiet = history.last_quiet(refusal.began)
            held = holding.at_most(quiet, refusal.ended)
            total = history.least_total(coupon_id, refusal.began)
            if held < total:
                complaints.append(f"{refusal}: at most {held} of {total} places were held")
    return complaints


def who_was_accepted_is_not_refused(history: History, _: Evidence) -> list[str]:
    """A user who was told 202 is never told that there is no place: the request is theirs."""
    accepted: dict[Key, float] = {}
    for answer in history.answers:
        if answer.accepted:
            accepted[answer.key] = min(answer.ended, accepted.get(answer.key, answer.ended))
    return [
        f"{answer}: had been accepted before"
        for answer in history.answers
        if answer.status == 409 and answer.began > accepted.get(answer.key, float("inf"))
    ]


def offsets_follow_rows(_: History, evidence: Evidence) -> list[str]:
    """An offset is committed only after the row's outcome, or after its dead letter."""
    final = {(each.coupon_id, each.user_id) for each in evidence.requests if each.is_final}
    ours = {(each.coupon_id, each.user_id) for each in evidence.requests}
    set_aside = {letter.place for letter in evidence.dead_letters}
    return [
        f"offset {offset} of partition {partition} is committed, and"
        f" {named(record.key) if record.key else 'its record'} is neither final nor set aside"
        for record in evidence.delivered
        for partition, offset in [record.place]
        if offset < evidence.committed.get(partition, 0)
        and record.place not in set_aside
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


def garbage_is_set_aside(history: History, evidence: Evidence) -> list[str]:
    """What cannot be handled is kept, with its bytes."""
    kept = {letter.value for letter in evidence.dead_letters}
    return [
        f"garbage {each.hex()} is not set aside" for each in history.garbage if each not in kept
    ]


def nothing_else_is_set_aside(history: History, evidence: Evidence) -> list[str]:
    """No fault turns a good record into a dead letter."""
    written = set(history.garbage)
    return [
        f"the record at offset {letter.place[1]} of partition {letter.place[0]} is a dead letter"
        for letter in evidence.dead_letters
        if letter.value not in written
    ]


CHECKERS: tuple[Checker, ...] = (
    nothing_else_is_answered,
    an_answer_names_its_request,
    an_accepted_claim_is_one_row,
    every_request_is_final,
    a_final_status_stays,
    never_oversold,
    an_accepted_request_is_issued,
    one_coupon_for_a_user,
    gate_equals_ledger,
    sold_out_means_that_all_are_issued,
    refused_only_when_full,
    who_was_accepted_is_not_refused,
    offsets_follow_rows,
    every_request_is_streamed,
    garbage_is_set_aside,
    nothing_else_is_set_aside,
)


def violations(history: History, evidence: Evidence) -> list[str]:
    """What every checker complains of, each with the name of its promise; at best nothing."""
    return [
        f"{checker.__name__}: {complaint}"
        for checker in CHECKERS
        for complaint in _shortened(checker(history, evidence))
    ]


def _shortened(complaints: list[str]) -> Iterator[str]:
    yield from complaints[:MOST_NAMED]
    if len(complaints) > MOST_NAMED:
        yield f"and {len(complaints) - MOST_NAMED} more"


def _by_coupon(answers: Iterable[Answer]) -> dict[int, list[Answer]]:
    by_coupon: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_coupon[answer.coupon_id].append(answer)
    return by_coupon


class _Holding:
    """Who of one coupon can have held a place by when."""

    def __init__(self, answers: Iterable[Answer], rows: set[Key]) -> None:
        self._troubled = [a for a in answers if a.key not in rows and a.status in IN_TROUBLE]
        self._with_row = _first_begins(answer for answer in answers if answer.key in rows)
        self._in_trouble_since: dict[float, list[float]] = {}

    def at_most(self, quiet: float, moment: float) -> int:
        """Holders at a moment, the gate having been equal to the ledger at `quiet`."""
        troubled = self._in_trouble_since.get(quiet)
        if troubled is None:
            # The API may go on with a claim for a while after its caller gave up.
            since = quiet - LINGERING_SECONDS
            troubled = _first_begins(each for each in self._troubled if each.ended >= since)
            self._in_trouble_since[quiet] = troubled
        return bisect_right(self._with_row, moment) + bisect_right(troubled, moment)


def _first_begins(answers: Iterable[Answer]) -> list[float]:
    """When each user first claimed, in order."""
    firsts: dict[Key, float] = {}
    for answer in answers:
        firsts[answer.key] = min(answer.began, firsts.get(answer.key, answer.began))
    return sorted(firsts.values())
