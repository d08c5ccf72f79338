"""Gives stock that came back to the first in line of a coupon's standby list.

A promotion is a claim of the user's by the same way: admitted at the gate, written in the ledger,
issued by the consumer. While it runs, the ledger holds the user's entry, so that nobody leaves the
line meanwhile. Cut off anywhere, it is repeated: the gate answers with the same admission, and the
primary key of the request keeps it one. Admitted under an epoch that is over, it is not written,
and the user is still the first in line.
"""

from collections.abc import Sequence
from typing import NamedTuple

from coupons.gate import Gate
from coupons.gate.standby import promote_at_gate
from coupons.ledger.connection import Connection, translated
from coupons.ledger.requests import accept_requests
from coupons.ledger.standby import (
    EntryState,
    end_standby_entries,
    hold_first_in_line,
    hold_line,
)
from coupons.model import Admission, IssueRequest, Refusal

HELD_SECONDS = 10.0
"""Postgres ends the session of a process that is silent for so long while it holds entries."""
ADMITTED_WITHIN_US = 5_000_000
"""After this the gate admits nobody whom the ledger may not hold any more."""


class Promotion(NamedTuple):
    """Who has a request now, and who waits no more because the coupon is for others."""

    promoted: list[int]
    not_eligible: list[int]


def promote(gate: Gate, connection: Connection, coupon_id: int, most: int) -> Promotion:
    """Promote the first in line, as far as there is stock, and commit. most: users to ask for.

    connection: see HELD_SECONDS. Nobody, when another process does it, or the coupon or its gate
    admits nobody now. Raises RedisUnavailable or LedgerUnavailable; repeating it is harmless.
    """
    until_us = gate.now_us() + ADMITTED_WITHIN_US
    with translated(connection), connection.transaction():
        held = hold_line(connection, coupon_id)
        if held is None:
            return Promotion([], [])
        first = hold_first_in_line(connection, coupon_id, most)
        needed = held.eligible_group
        strangers = [user for user, group in first if needed is not None and group != needed]
        end_standby_entries(connection, coupon_id, strangers, EntryState.NOT_ELIGIBLE)
        waiting = [user for user, _ in first if user not in strangers]
        promoted, unlisted = _promote(gate, connection, coupon_id, waiting, held.total, until_us)
        end_standby_entries(connection, coupon_id, unlisted, EntryState.NOT_ELIGIBLE)
        end_standby_entries(connection, coupon_id, promoted, EntryState.PROMOTED)
        return Promotion(promoted, [*strangers, *unlisted])


def _promote(
    gate: Gate,
    connection: Connection,
    coupon_id: int,
    users: Sequence[int],
    total: int,
    until_us: int,
) -> Promotion:
    """Who of these has a request now, and who is not on the coupon's list any more."""
    decisions = promote_at_gate(gate, coupon_id, users, total, until_us) if users else []
    if not isinstance(decisions, list):
        return Promotion([], [])
    admissions = [each for each in decisions if isinstance(each, Admission)]
    if admissions and coupon_id not in accept_requests(connection, admissions):
        admissions = []  # another epoch has begun
    final = [each.user_id for each in decisions if isinstance(each, IssueRequest)]
    unlisted = [
        user
        for user, decision in zip(users, decisions, strict=True)
        if decision is Refusal.NOT_ELIGIBLE
    ]
    return Promotion([*(each.user_id for each in admissions), *final], unlisted)
