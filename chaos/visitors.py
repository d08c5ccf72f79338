"""The visitors: users who arrive in a waiting room, keep their tickets, and claim at their turn."""

import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from heapq import heappop, heappush
from itertools import count
from threading import Event

from chaos.admissions import Arrival, Room
from chaos.callers import Caller, meanwhile
from chaos.history import FAILED, History, Stock
from chaos.insisting import NotAnswered, insist, repeat
from coupons.gate.waiting_room import LOT_SECONDS

TOTAL = 100_000
RATE = 10
OPENS_AFTER_SECONDS = 6.0
LOT_AFTER_SECONDS = 6.0
"""How long visitors arrive before the lot is drawn."""
FIRST_USER = 6_000_000_000
PAUSE_SECONDS = 0.1
TOO_EARLY = 0.2
"""Share of visitors who claim at once, too, and of those who do so shortly before their turn."""
SHORTLY_SECONDS = 0.3
COMES_BACK = 0.3
"""Share of claims before which the visitor arrives again, with the ticket."""
COME_BACK_AT_LAST = 500
AGAIN_SECONDS = 1.0
ADMITS_WITHIN_SECONDS = 60.0
"""So long after the opening somebody has been admitted, whatever faults there were."""

_ANY_VERSION = {"If-Match": "*"}

Turn = tuple[float, int]
"""When a user means to claim, and who."""


class Visitors:
    """One coupon with a waiting room, and threads of visitors. complaints: of late answers.

    by_lot: the coupon opens late, so that a lot is drawn, and is opened at once when it is.
    """

    def __init__(
        self, caller: tuple[str, str], history: History, seed: str, *, by_lot: bool = False
    ) -> None:
        self._caller = caller
        self._history = history
        self._seed = f"{seed}/visitors {by_lot}"
        self._users = count(FIRST_USER)
        self._tickets: dict[int, str] = {}
        self._is_waiting_for_lot = by_lot
        self.complaints: list[str] = []
        after_s = LOT_SECONDS + LOT_AFTER_SECONDS if by_lot else OPENS_AFTER_SECONDS
        opens_at = _after(after_s)
        with closing(Caller(*caller)) as one:
            self._coupon_id = one.create_coupon(TOTAL, opens_at.isoformat())
            path = f"/coupons/{self._coupon_id}/waiting-room/settings"
            wanted = {"admits_per_second": RATE, "order": "lot" if by_lot else "arrival"}
            insist(one, "PUT", path, body=wanted, headers=_ANY_VERSION)
        self._room = Room(self._coupon_id, opens_at.timestamp(), RATE, by_lot)
        history.rooms.append(self._room)
        history.stocks[self._coupon_id] = [Stock(TOTAL, 0.0, 0.0)]

    @contextmanager
    def visiting(self, threads: int) -> Iterator[None]:
        """Arrive and claim while the block runs."""
        works = [partial(self._work, f"{self._seed}/{n}") for n in range(threads)]
        with meanwhile([*works, self._open] if self._is_waiting_for_lot else works):
            yield

    def check(self) -> str:
        """A complaint when nobody was admitted at a turn, or nobody too early was refused."""
        ours = [each for each in self._history.responses if each.coupon_id == self._coupon_id]
        if not any(each.accepted for each in ours):
            return "nobody was admitted from a waiting room"
        early = any(each.reason == "not_your_turn" for each in ours)
        return "" if early else "nobody claimed before the turn"

    def check_lot(self) -> str:
        """A complaint when no lot was seen, or nobody was admitted long after the opening."""
        arrivals = [each for each in self._history.arrivals if each.coupon_id == self._coupon_id]
        drawn = [each for each in arrivals if each.ticket and each.position is not None]
        if all(each.position == each.number for each in drawn):
            return "no position was seen that a lot has given"
        is_long = not self._is_waiting_for_lot and (
            time.time() > self._room.opens_at + ADMITS_WITHIN_SECONDS
        )
        ours = [each for each in self._history.responses if each.coupon_id == self._coupon_id]
        if is_long and not any(each.accepted for each in ours):
            return "nobody was admitted from a waiting room by lot"
        return ""

    def come_back(self) -> None:
        """Many who have a ticket arrive with it once more, until it is answered."""
        users = random.Random(self._seed).sample(
            sorted(self._tickets), min(COME_BACK_AT_LAST, len(self._tickets))
        )
        with closing(Caller(*self._caller)) as caller:
            for user_id in users:
                try:
                    repeat(partial(self._answered, caller, user_id), f"arrival of user {user_id}")
                except NotAnswered as error:
                    self.complaints.append(str(error))

    def _answered(self, caller: Caller, user_id: int) -> Arrival | None:
        arrival = self._arrive(caller, user_id)
        return None if arrival.status in FAILED else arrival

    def _open(self, stop: Event) -> None:
        """Move the opening of a coupon by lot to now, once somebody knows their position."""
        while not stop.wait(PAUSE_SECONDS):
            arrivals = list(self._history.arrivals)
            if any(e.turn_at for e in arrivals if e.coupon_id == self._coupon_id):
                opens_at = _after(AGAIN_SECONDS)
                self._room.opens_at = opens_at.timestamp()
                path, wanted = (
                    f"/coupons/{self._coupon_id}",
                    {"issue_starts_at": opens_at.isoformat()},
                )
                try:
                    with closing(Caller(*self._caller)) as caller:
                        insist(caller, "PATCH", path, body=wanted, headers=_ANY_VERSION)
                except (NotAnswered, AssertionError) as error:
                    self.complaints.append(str(error))
                self._is_waiting_for_lot = False
                return

    def _work(self, seed: str, stop: Event) -> None:
        rng = random.Random(seed)
        turns: list[Turn] = []
        with closing(Caller(*self._caller)) as caller:
            while not stop.wait(PAUSE_SECONDS):
                self._come(caller, next(self._users), rng, turns)
                while turns and turns[0][0] <= time.time() and not stop.is_set():
                    self._claim(caller, heappop(turns)[1], rng, turns)

    def _come(self, caller: Caller, user_id: int, rng: random.Random, turns: list[Turn]) -> None:
        """Arrive; who gets no position arrives again a little later."""
        arrival = self._arrive(caller, user_id)
        early_s = SHORTLY_SECONDS * rng.random() if rng.random() < TOO_EARLY else 0.0
        heappush(turns, (self._next(arrival) - early_s, user_id))
        if arrival.turn_at is not None and rng.random() < TOO_EARLY:
            self._history.add([caller.claim(self._coupon_id, user_id)])

    def _claim(self, caller: Caller, user_id: int, rng: random.Random, turns: list[Turn]) -> None:
        """Claim; arrive before it now and then, and always when the turn is not known."""
        is_known = user_id in self._tickets and not self._room.by_lot
        if not is_known or rng.random() < COMES_BACK:
            arrival = self._arrive(caller, user_id)
            if arrival.turn_at is None or arrival.turn_at > time.time():
                heappush(turns, (self._next(arrival), user_id))
                return
        response = caller.claim(self._coupon_id, user_id)
        self._history.add([response])
        if response.reason in ("not_your_turn", "not_open"):
            turn_at = self._next(self._arrive(caller, user_id))
            heappush(turns, (max(turn_at, time.time() + AGAIN_SECONDS), user_id))
        elif response.status in FAILED:
            heappush(turns, (time.time() + AGAIN_SECONDS, user_id))

    def _next(self, arrival: Arrival) -> float:
        """When the user does something again: at the turn, unless the opening is to be moved."""
        if arrival.turn_at is None or self._is_waiting_for_lot:
            return time.time() + AGAIN_SECONDS
        return arrival.turn_at

    def _arrive(self, caller: Caller, user_id: int) -> Arrival:
        """Arrive once, with the ticket if there is one."""
        sent = self._tickets.get(user_id, "")
        path, body = f"/coupons/{self._coupon_id}/waiting-room", {"ticket": sent} if sent else {}
        began = time.monotonic()
        status, _, answer = caller.call_once("POST", path, user_id, "coupon:issue", body)
        found = answer if status == 200 else {}
        arrival = Arrival(
            self._coupon_id,
            user_id,
            sent,
            status,
            "" if found else str(answer.get("type", "")).rpartition(":")[2],
            found.get("position"),
            _seconds(found.get("opens_at")),
            _seconds(found.get("turn_at")),
            str(found.get("ticket", "")),
            began,
            time.monotonic(),
        )
        if arrival.ticket:
            self._tickets[user_id] = arrival.ticket
        self._history.add_arrival(arrival)
        return arrival


def _after(seconds: float) -> datetime:
    return datetime.fromtimestamp(time.time() + seconds, UTC)


def _seconds(moment: str | None) -> float | None:
    return None if moment is None else datetime.fromisoformat(moment).timestamp()
