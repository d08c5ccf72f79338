"""Every short history of a waiting room, and some long ones: arrivals, and losses of Redis."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random

import pytest

from coupons.gate.waiting_room import Waiting
from coupons.model import Admission, Claim, Refusal
from coupons.rooms import RoomOrder
from tests.support.rooms import Hall, OpenHall

STEPS = ("A", "B", "C", "loss", "failover", "wrong keys")
"""A user arrives; Redis loses everything; another server takes over, which missed the last step;
somebody overwrites the keys of the room."""
DEPTH = 3
LONG, LONG_DEPTH = 40, 9
"""So many histories are longer, and drawn at random."""
USERS = {"A": 11, "B": 12, "C": 13}


def histories() -> Iterator[tuple[str, ...]]:
    yield from product(STEPS, repeat=DEPTH)
    random = Random(27)
    for _ in range(LONG):
        yield tuple(random.choices(STEPS, k=LONG_DEPTH))


class World:
    """A hall, and what was promised to its users."""

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.promised: dict[int, Waiting] = {}
        self._missed: Callable[[], None] = hall.fail_over()

    def step(self, step: str) -> None:
        before = self.hall.fail_over()
        if step == "loss":
            self.hall.lose_redis()
        elif step == "failover":
            self._missed()
        elif step == "wrong keys":
            client = self.hall.gate.client
            for key in list(client.scan_iter("coupon:{*}:room*")):
                client.delete(key)
                client.set(key, "x")
        else:
            self.arrive(USERS[step])
        self._missed = before

    def arrive(self, user: int) -> None:
        [waiting] = self.hall.arrive(user)
        known = self.promised.get(user)
        if known is not None:
            assert waiting.number == known.number, "a user lost the position"
        else:
            others = [each.number for each in self.promised.values()]
            assert all(waiting.number > other for other in others), "somebody was overtaken"
        if known is not None and known.position is not None:
            assert waiting.position == known.position, "a position has changed"
        self.promised[user] = waiting

    def claim_all(self) -> set[bool]:
        """Each is admitted if and only if the turn has come, and nobody twice; which of it was."""
        users = list(self.promised)
        for user in users:
            self.arrive(user)
        positions = [self.promised[user].position for user in users]
        assert None not in positions
        assert len(set(positions)) == len(users), "two have the same position"
        began = self.hall.gate.now_us()
        decisions = self.hall.gate.admit([Claim(self.hall.coupon_id, user) for user in users])
        ended = self.hall.gate.now_us()
        for user, decision in zip(users, decisions, strict=True):
            turn = self.promised[user].turn_at_us
            assert turn is not None
            if isinstance(decision, Admission):
                assert turn <= ended, "admitted before the turn"
            else:
                assert decision is Refusal.NOT_YOUR_TURN
                assert turn > began, "refused in the turn"
        again = self.hall.gate.admit([Claim(self.hall.coupon_id, user) for user in users])
        for first, second in zip(decisions, again, strict=True):
            if isinstance(first, Admission):
                assert second == first._replace(repeated=True), "admitted twice"
        return {isinstance(each, Admission) for each in decisions}


@pytest.mark.parametrize("order", list(RoomOrder))
def test_in_every_short_history_positions_and_order_are_kept(
    open_hall: OpenHall, order: RoomOrder
) -> None:
    """Whatever is lost in between, and however the lot falls."""
    was_admitted = set[bool]()
    for history in histories():
        world = World(open_hall(rate=1, order=order))
        for step in history:
            world.step(step)
        world.hall.define(issue_starts_at=datetime.now(UTC) - timedelta(seconds=1))
        if world.promised:
            was_admitted |= world.claim_all()
        world.hall.gate.client.flushdb()
    assert was_admitted == {True, False}, "some came before their turn, and some in it"
