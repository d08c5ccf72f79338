"""A million people arrive in a waiting room, Redis is lost in between, and each claims in turn."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from api.arrivals import Arrivals, Arrived, WantedPosition
from coupons.gate import Gate, connect_gate, open_coupon
from coupons.gate.removal import remove_all_coupons
from coupons.ledger.connection import LedgerPool, ledger_pool, pooled
from coupons.ledger.coupons import create_coupon
from coupons.ledger.waiting_rooms import set_waiting_room
from coupons.model import Admission, Claim, Coupon
from coupons.rooms import RoomOrder, WaitingRoom
from stack.disposable import disposable_stack

BATCH = 500
LIMIT_BYTES = 64.0
SECONDS = 100
"""So long the room lets people in, at a rate that fits."""
STEPS = 10
HOUR = timedelta(hours=1)


class RoomFigures(NamedTuple):
    """arrived_s: for all who arrive; returned_s: for the half who come back with tickets.

    bytes: of Redis' memory, an arrival. wrong_numbers: given twice, or before an earlier arrival's.
    lost: who came back to another number. same_position: two at the same. early, late: admitted
    before, and refused after the turn. twice: admitted a second time.
    """

    order: RoomOrder
    people: int
    arrived_s: float
    returned_s: float
    bytes: float
    wrong_numbers: int
    lost: int
    same_position: int
    early: int
    late: int
    admitted: int
    twice: int


def measure_waiting_room(people: int) -> list[RoomFigures]:
    """By arrival and by lot, through the real scripts and the real ledger, 500 at a time."""
    with disposable_stack("--servers-only") as stack:
        stack.stop("connect", "registry", "kafka")
        gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
        with closing(ledger_pool(stack.database_url("api"), "coupon-bench", 2)) as pool:
            return [_Crowd(gate, pool, people, order).figures() for order in RoomOrder]


class _Crowd:
    def __init__(self, gate: Gate, pool: LedgerPool, people: int, order: RoomOrder) -> None:
        self._gate = gate
        self._order = order
        self._users = random.Random(1).sample(range(10**9, 10**10), people)
        self._coupon = _coupon_with_room(pool, people, WaitingRoom(people // SECONDS, order))
        self._arrivals = Arrivals(gate, pool)
        self._found: dict[int, Arrived] = {}
        self._early = self._late = 0

    def figures(self) -> RoomFigures:
        """Of this order."""
        self._gate.client.flushall()  # what the round before has left
        assert open_coupon(self._gate, self._coupon)
        empty, half = self._used(), len(self._users) // 2
        arrived_s = self._arrive(self._users[:half])
        before = dict(self._found)
        remove_all_coupons(self._gate)
        self._coupon = replace(self._coupon, gate_epoch=self._coupon.gate_epoch + 1)
        assert open_coupon(self._gate, self._coupon)
        returned_s = self._arrive(random.Random(2).sample(self._users[:half], half))
        lost = sum(self._number(user) != arrived.waiting.number for user, arrived in before.items())
        arrived_s += self._arrive(self._users[half:])
        used = self._used() - empty
        if self._order is RoomOrder.LOT:
            self._define(datetime.now(UTC) + HOUR / 60)
            self._arrive(self._users)
        numbers = [self._number(user) for user in self._users]
        wrong = sum(later <= earlier for earlier, later in pairwise(numbers))
        positions = sorted(self._found[user].waiting.position or 0 for user in self._users)
        same = sum(one == other for one, other in pairwise(positions))
        admitted = self._claim_in_turn()
        twice = sum(
            not (isinstance(decision, Admission) and decision.repeated)
            for users in _batches(admitted)
            for decision in self._admit(users)
        )
        return RoomFigures(
            self._order,
            len(self._users),
            arrived_s,
            returned_s,
            used / len(self._users),
            wrong,
            lost,
            same,
            self._early,
            self._late,
            len(admitted),
            twice,
        )

    def _arrive(self, users: Sequence[int]) -> float:
        """How long it takes."""
        began = time.perf_counter()
        for some in _batches(users):
            known = [self._found.get(user) for user in some]
            wanted = [
                WantedPosition(self._coupon.coupon_id, user, (), each and each.ticket)
                for user, each in zip(some, known, strict=True)
            ]
            for user, result in zip(some, self._arrivals.take(wanted), strict=True):
                assert isinstance(result, Arrived), result
                self._found[user] = result
        return time.perf_counter() - began

    def _claim_in_turn(self) -> list[int]:
        """Who is admitted: those whose turn comes next claim, and as many whose does not."""
        in_turn = sorted(self._users, key=lambda user: self._found[user].waiting.position or 0)
        admitted: set[int] = set()
        last = self._found[in_turn[-1]].waiting.position or 0
        rate = len(self._users) // SECONDS
        for step in range(1, STEPS + 2):
            opened_s = (last / rate + 1) * step / STEPS
            self._define(datetime.now(UTC) - timedelta(seconds=opened_s))
            ahead = [user for user in in_turn if user not in admitted]
            for some in _batches(ahead[: 2 * len(in_turn) // STEPS]):
                began = self._gate.now_us()
                decisions = self._admit(some)
                ended = self._gate.now_us()
                for user, decision in zip(some, decisions, strict=True):
                    if isinstance(decision, Admission):
                        admitted.add(user)
                        self._early += self._turn_us(user) > ended
                    else:
                        self._late += self._turn_us(user) <= began
        return list(admitted)

    def _admit(self, users: Sequence[int]) -> Sequence[object]:
        return self._gate.admit([Claim(self._coupon.coupon_id, user) for user in users])

    def _define(self, starts_at: datetime) -> None:
        version = self._coupon.version + 1
        self._coupon = replace(self._coupon, version=version, issue_starts_at=starts_at)
        assert self._gate.define(self._coupon)

    def _turn_us(self, user: int) -> int:
        """By the opening as it is defined now."""
        opens_us = round(self._coupon.issue_starts_at.timestamp() * 1_000_000)
        waiting = self._found[user].waiting
        return (waiting._replace(opens_at_us=opens_us)).turn_at_us or 0

    def _number(self, user: int) -> int:
        return self._found[user].waiting.number

    def _used(self) -> int:
        return int(self._gate.client.info("memory")["used_memory"])


def _coupon_with_room(pool: LedgerPool, people: int, room: WaitingRoom) -> Coupon:
    with pooled(pool) as connection:
        coupon = create_coupon(
            connection,
            coupon_id=None,
            name="of a benchmark",
            total_quantity=people + 1,
            issue_starts_at=datetime.now(UTC) + HOUR,
            issue_ends_at=None,
            eligible_group=None,
        )
        assert coupon is not None
        set_waiting_room(connection, coupon.coupon_id, room, "a benchmark")
    return replace(coupon, room=room)


def _batches(users: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(users), BATCH):
        yield users[start : start + BATCH]
