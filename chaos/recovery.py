"""When a stack is well again: cheap questions, asked again and again."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psycopg

from chaos.history import History
from coupons.errors import GateUnavailable
from coupons.gate import Gate, connect_gate
from coupons.waiting import attempts

POLL_SECONDS = 0.1
LONGEST_SECONDS = 120.0


class Recovery(NamedTuple):
    """Seconds from the healing until claims were accepted again, and until every request made
    before it was final in Postgres and marked in Redis. None: not within the deadline.
    """

    accepted_s: float | None
    settled_s: float | None

    def __str__(self) -> str:
        shown = ["never" if each is None else f"{each:.1f} s" for each in self]
        return f"accepts after {shown[0]}, settled after {shown[1]}"


def await_recovery(where: Mapping[str, str], history: History) -> Recovery:
    """Watch a stack that was healed just now, while claims go on."""
    healed, healed_at = time.monotonic(), time.time()
    accepted = settled = None
    for _ in attempts(LONGEST_SECONDS, POLL_SECONDS):
        if accepted is None and history.accepted_since(healed):
            accepted = time.monotonic() - healed
        if settled is None and not unsettled(where, history.coupon_ids, healed_at):
            settled = time.monotonic() - healed
        if accepted is not None and settled is not None:
            break
    return Recovery(accepted, settled)


def unsettled(where: Mapping[str, str], coupon_ids: Sequence[int], before: float) -> str:
    """What of these coupons' requests made before a moment (seconds since 1970) is not settled.

    "" when each is final in Postgres and nothing is pending in Redis.
    """
    try:
        gate = connect_gate(where["COUPON_REDIS_URL"])
        if at_gate := _pending(gate, coupon_ids, int(before * 1_000_000)):
            return at_gate
        with psycopg.connect(where["COUPON_DATABASE_URL"], connect_timeout=2) as ledger:
            row = ledger.execute(
                "SELECT count(*) FROM coupon_issue_request r WHERE coupon_id = ANY(%s)"
                " AND requested_at <= to_timestamp(%s)"
                " AND NOT EXISTS (SELECT FROM issued_coupon i"
                "  WHERE i.coupon_id = r.coupon_id AND i.user_id = r.user_id)"
                " AND NOT EXISTS (SELECT FROM issue_rejection j"
                "  WHERE j.coupon_id = r.coupon_id AND j.user_id = r.user_id)",
                [list(coupon_ids), before],
            ).fetchone()
    except (GateUnavailable, psycopg.OperationalError) as error:
        return str(error)
    assert row is not None
    return f"{row[0]} requests are not final in Postgres" if row[0] else ""


def _pending(gate: Gate, coupon_ids: Sequence[int], before_us: int) -> str:
    for coupon_id, closed in zip(coupon_ids, gate.unavailable(coupon_ids), strict=True):
        if closed is not None:
            return f"the gate is closed for coupon {coupon_id}: {closed}"
        if gate.pending_before(coupon_id, before_us, limit=1):
            return f"coupon {coupon_id} has pending requests at the gate"
    return ""


def await_quiet(where: Mapping[str, str], history: History, within_s: float) -> str:
    """Return "" once nothing is unsettled, though nobody claims; else, after the deadline, what is.

    The moment is noted in the history.
    """
    what = ""
    for _ in attempts(within_s, POLL_SECONDS):
        if not (what := unsettled(where, history.coupon_ids, time.time())):
            history.quiet.append(time.monotonic())
            return ""
    return f"not quiet within {within_s:.0f} s: {what}"
