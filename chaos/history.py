"""What callers of the API saw in one run: every claim by a known user, and its response."""

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

from chaos.admissions import Arrival, RehearsalLog, Room, UserList

Key = tuple[int, int]
"""(coupon_id, user_id): identifies an issue request."""

LOST = 0
"""The status of a claim whose connection broke, or whose response did not arrive in time."""

ACCEPTED = (200, 202)
FAILED = (503, LOST)
"""The claim may have taken stock or may not: the caller cannot know."""

RECENT = 300
"""Responses of a second or two."""


@dataclass(frozen=True, slots=True)
class Response:
    """One claim and its response. Times are monotonic seconds; `at` is its end, since 1970.

    reason: "" when accepted; else the reason of a refusal, the name of the problem, or the error of
    the connection. request_status: the status of the request in the body, "" without one.
    location: the header.
    """

    coupon_id: int
    user_id: int
    status: int
    reason: str
    request_status: str
    location: str
    began: float
    ended: float
    at: float

    @property
    def key(self) -> Key:
        """The request that the claim is for."""
        return self.coupon_id, self.user_id

    @property
    def accepted(self) -> bool:
        """Whether it promises a committed row."""
        return self.status in ACCEPTED

    @property
    def sold_out(self) -> bool:
        """Whether it was refused because no stock was left."""
        return self.status == 409 and self.reason == "sold_out"

    def __str__(self) -> str:
        words = [word for word in (str(self.status), self.reason, self.request_status) if word]
        return (
            f"claim of user {self.user_id} on coupon {self.coupon_id}, answered {' '.join(words)}"
        )


@dataclass(frozen=True, slots=True)
class ChangeCall:
    """One call that changes an issued coupon, and its response. Times as in Response.

    wanted: use, cancel-use or revoke. reference: the order of a use, the reason of a revocation;
    a till's calls have the same one only when they repeat one whose outcome is unknown. reason: ""
    when done, else the name of the problem or the error of the connection.
    """

    coupon_id: int
    user_id: int
    wanted: str
    reference: str
    status: int
    reason: str
    began: float
    ended: float
    at: float

    @property
    def key(self) -> Key:
        """The issued coupon."""
        return self.coupon_id, self.user_id

    @property
    def wish(self) -> tuple[Key, str, str]:
        """What was wanted, whatever the number of calls."""
        return self.key, self.wanted, self.reference

    @property
    def done(self) -> bool:
        """Whether it promises a committed change."""
        return self.status == 200

    @property
    def unknown(self) -> bool:
        """Whether it may have been done."""
        return self.status in FAILED

    def __str__(self) -> str:
        words = f"{self.wanted} ({self.reference}) of coupon {self.coupon_id}, user {self.user_id}"
        return f"{words}, answered {self.status} {self.reason}".rstrip()


@dataclass(slots=True)
class Sale:
    """A short sale: what its coupon's users were answered, and what was done in the end.

    claims: by user, the answer of the first claim that was answered. erased: users. archived:
    whether its coupon is. read, again: after it was archived, by user, the status of the request as
    it was read, and the answer of another claim.
    """

    coupon_id: int
    total: int
    claims: dict[int, Response] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    archived: bool = False
    read: dict[int, str] = field(default_factory=dict)
    again: dict[int, Response] = field(default_factory=dict)

    @property
    def accepted(self) -> list[int]:
        """Users whose claims were accepted."""
        return [user_id for user_id, claim in self.claims.items() if claim.accepted]


@dataclass(frozen=True, slots=True)
class Stock:
    """A total that a coupon was given: in force from `ended` on at the latest, at first `began`."""

    total: int
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Faults that were caused together, by name, until the stack had recovered."""

    faults: tuple[str, ...]
    began: float
    ended: float


@dataclass
class History:
    """The history of one run. Threads add to it during the run; checkers read it afterwards.

    stocks: the totals of each coupon, ascending. quiet: moments at which the gate held exactly what
    the ledger held, with nothing pending. garbage: the records that a fault wrote to the request
    topic. changes: of issued coupons. joined: who was answered that they wait in a line. sales:
    short ones, of coupons of their own. rooms: of coupons with one, and arrivals in them. lists: of
    coupons that are open to one, each in the order of time.
    """

    responses: list[Response] = field(default_factory=list)
    changes: list[ChangeCall] = field(default_factory=list)
    sales: list[Sale] = field(default_factory=list)
    stocks: dict[int, list[Stock]] = field(default_factory=dict)
    quiet: list[float] = field(default_factory=list)
    garbage: list[bytes] = field(default_factory=list)
    joined: list[Key] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    lists: list[UserList] = field(default_factory=list)
    rehearsals: RehearsalLog = field(default_factory=RehearsalLog)
    disturbances: list[Disturbance] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @property
    def coupon_ids(self) -> list[int]:
        """The coupons of this run."""
        return sorted(self.stocks)

    def add(self, responses: Iterable[Response]) -> None:
        """Add responses."""
        with self.lock:
            self.responses.extend(responses)

    def add_change(self, call: ChangeCall) -> None:
        """Add a call that changes an issued coupon."""
        with self.lock:
            self.changes.append(call)

    def add_arrival(self, arrival: Arrival) -> None:
        """Add a call to arrive in a waiting room."""
        with self.lock:
            self.arrivals.append(arrival)

    def recently_accepted(self, rng: random.Random) -> Key | None:
        """The request of one of the last claims that were accepted; None: none was."""
        with self.lock:
            recent = [each.key for each in self.responses[-RECENT:] if each.accepted]
        return rng.choice(recent) if recent else None

    def statuses(self) -> Counter[int]:
        """How many responses of each status so far."""
        return Counter(response.status for response in self._so_far())

    def failures(self) -> Counter[str]:
        """How many claims failed so far, by reason."""
        return Counter(each.reason for each in self._so_far() if each.status in FAILED)

    def accepted_since(self, moment: float) -> int:
        """How many claims that began after a moment were accepted; at most 1000."""
        with self.lock:
            newest = reversed(self.responses)
            # Responses are in about the order of their ends.
            recent = (each for each in newest if each.accepted and each.began >= moment)
            return sum(1 for _ in zip(recent, range(1000), strict=False))

    def last_quiet(self, moment: float) -> float:
        """The latest quiet moment before this one; minus infinity when there was none."""
        index = bisect_right(self.quiet, moment)
        return self.quiet[index - 1] if index else float("-inf")

    def least_total(self, coupon_id: int, moment: float) -> int:
        """The total that the gate surely had by a moment: the one of the last quiet moment."""
        stocks = self.stocks[coupon_id]
        quiet = self.last_quiet(moment)
        return max([stocks[0].total, *(each.total for each in stocks if each.ended <= quiet)])

    def _so_far(self) -> list[Response]:
        with self.lock:
            return list(self.responses)
