"""Promises about what becomes of issued coupons: used, used no more, revoked, expired."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from chaos.checkers.naming import named
from chaos.evidence import Evidence
from chaos.history import ChangeCall, History, Key
from chaos.stores import ChangeRow

EXPECTED_STATUSES = (200, 404, 408, 409, 503, 0)
"""408: an API that stood still between a call's head and its body; nothing was done."""
_ALLOWED = {
    ("active", "used"),
    ("used", "active"),
    ("used", "expired"),
    ("active", "expired"),
    ("active", "revoked"),
}
Wish = tuple[Key, str, str]


def a_change_gets_an_expected_answer(history: History, _: Evidence) -> list[str]:
    """200, 404, 408, 409, 503 or a lost connection: never an error of our own."""
    return [str(call) for call in history.changes if call.status not in EXPECTED_STATUSES]


def a_confirmed_change_is_one_row(history: History, evidence: Evidence) -> list[str]:
    """200 means that the change is committed; a coupon is revoked once, whoever asks again."""
    rows = _rows(evidence)
    revoked = Counter(row.key for row in evidence.changes if row.to_state == "revoked")
    confirmed = {call.wish: call for call in history.changes if call.done}
    return [
        f"{call}: it is {count} rows"
        for wish, call in confirmed.items()
        if (count := revoked[call.key] if call.wanted == "revoke" else rows[wish]) != 1
    ]


def a_change_is_one_row_at_most(_: History, evidence: Evidence) -> list[str]:
    """However often a call is repeated, it is done once."""
    return [
        f"{named(key)}: {wanted} ({reference}) is {count} rows"
        for (key, wanted, reference), count in _rows(evidence).items()
        if count > 1
    ]


def a_refused_change_is_no_row(history: History, evidence: Evidence) -> list[str]:
    """What was refused, or never asked for, was not done."""
    possible = {call.wish for call in history.changes if call.done or call.unknown}
    return [
        f"{named(key)}: {wanted} ({reference}) is a row, and was refused or never asked for"
        for key, wanted, reference in _rows(evidence)
        if (key, wanted, reference) not in possible
    ]


def one_order_uses_a_coupon_at_a_time(history: History, evidence: Evidence) -> list[str]:
    """Between two uses, the first one was cancelled: by the rows, and by the responses."""
    complaints = []
    for key, chain in _chains(evidence).items():
        using: str | None = None
        for row in chain:
            if row.to_state == "used":
                if using is not None:
                    complaints.append(f"{named(key)} is used by {using} and {row.order_reference}")
                using = row.order_reference
            elif row.from_state == "used":
                using = None
    for key, uses in _surely_used(history).items():
        for (_, ended, order), (began, _, other) in pairwise(sorted(uses)):
            if began < ended:
                complaints.append(f"{named(key)}: {order} and {other} had it at the same time")
    return complaints


def a_chain_follows_its_rules(_: History, evidence: Evidence) -> list[str]:
    """Changes are numbered without gaps, each begins where the last ended; no use is too late."""
    complaints = []
    for key, chain in _chains(evidence).items():
        state = "active"
        for number, row in enumerate(chain, 1):
            step = row.from_state, row.to_state
            if (row.number, row.from_state) != (number, state) or step not in _ALLOWED:
                complaints.append(f"{named(key)}: change {row.number} {step} follows {state}")
            state = row.to_state
            now = evidence.owned.get(key)
            expires_at = now and now.expires_at
            if state == "used" and expires_at is not None and row.changed_at >= expires_at:
                complaints.append(f"{named(key)} was used by {row.order_reference} after its time")
    return complaints


def every_issued_coupon_is_in_one_state(_: History, evidence: Evidence) -> list[str]:
    """Issued = active + used + expired + revoked, and each is what its changes say."""
    complaints = [
        f"{named(key)} has changes or a state, and is not issued, or the reverse"
        for key in {*evidence.issued} ^ {*evidence.owned, *(row.key for row in evidence.changes)}
    ]
    last = {key: chain[-1].to_state for key, chain in _chains(evidence).items()}
    for key, now in evidence.owned.items():
        state = last.get(key, "active")
        if state == "active" and now.expires_at is not None and now.expires_at <= now.read_at:
            state = "expired"
        if now.state != state:
            complaints.append(f"{named(key)} is shown as {now.state}, and is {state}")
    return complaints


def a_refused_change_has_its_reason(history: History, evidence: Evidence) -> list[str]:
    """Used means that another order can have it then; and so on for each reason."""
    rows = _rows(evidence)
    uses = _maybe_used(history, rows)
    cancelled = _first(call for call in history.changes if call.wanted == "cancel-use")
    revoked = {row.key for row in evidence.changes if row.to_state == "revoked"}
    seen: dict[Key, float] = {}
    complaints = []
    for call in sorted(history.changes, key=lambda each: each.began):
        if call.status in (200, 409):
            seen[call.key] = min(call.ended, seen.get(call.key, call.ended))
        if call.status == 404 and seen.get(call.key, float("inf")) < call.began:
            complaints.append(f"{call}: it was issued before")
        if call.status == 409:
            now = evidence.owned.get(call.key)
            expires_at = now and now.expires_at
            cancel = cancelled.get((call.key, call.reference))
            can_be = {
                "coupon-used": any(
                    began <= call.ended and call.began <= ended and order != call.reference
                    for began, ended, order in uses[call.key]
                ),
                "coupon-expired": expires_at is not None and expires_at.timestamp() <= call.at,
                "coupon-revoked": call.key in revoked,
                "order-cancelled": call.wanted == "use"
                and cancel is not None
                and cancel.began <= call.ended
                and rows[cancel.wish] > 0,
            }
            if not can_be.get(call.reason, False):
                complaints.append(f"{call}: nothing explains it")
    return complaints


def _rows(evidence: Evidence) -> Counter[Wish]:
    """How many rows are the change that was wanted; expiry is nobody's."""
    rows: Counter[Wish] = Counter()
    for row in evidence.changes:
        if row.to_state == "revoked":
            rows[row.key, "revoke", str(row.reason)] += 1
        elif row.to_state == "used":
            rows[row.key, "use", str(row.order_reference)] += 1
        elif row.from_state == "used":
            rows[row.key, "cancel-use", str(row.order_reference)] += 1
    return rows


def _chains(evidence: Evidence) -> Mapping[Key, Sequence[ChangeRow]]:
    chains: dict[Key, list[ChangeRow]] = defaultdict(list)
    for row in evidence.changes:
        chains[row.key].append(row)
    return chains


def _surely_used(history: History) -> Mapping[Key, list[tuple[float, float, str]]]:
    """From when an order knew that it had the coupon until it first asked to cancel."""
    cancelled = _first(call for call in history.changes if call.wanted == "cancel-use")
    confirmed = _first(each for each in history.changes if each.wanted == "use" and each.done)
    uses: dict[Key, list[tuple[float, float, str]]] = defaultdict(list)
    for (key, order), call in confirmed.items():
        cancel = cancelled.get((key, order))
        uses[key].append((call.ended, cancel.began if cancel else float("inf"), order))
    return uses


def _maybe_used(
    history: History, rows: Counter[Wish]
) -> Mapping[Key, list[tuple[float, float, str]]]:
    """From when an order first asked for the coupon until it knew that the use was cancelled."""
    cancelled = _first(e for e in history.changes if e.wanted == "cancel-use" and e.done)
    asked = _first(call for call in history.changes if call.wanted == "use")
    uses: dict[Key, list[tuple[float, float, str]]] = defaultdict(list)
    for (key, order), call in asked.items():
        if rows[key, "use", order]:
            cancel = cancelled.get((key, order))
            uses[key].append((call.began, cancel.ended if cancel else float("inf"), order))
    return uses


def _first(calls: Iterable[ChangeCall]) -> dict[tuple[Key, str], ChangeCall]:
    """The first of these calls of each order."""
    first: dict[tuple[Key, str], ChangeCall] = {}
    for call in sorted(calls, key=lambda each: each.began):
        first.setdefault((call.key, call.reference), call)
    return first
