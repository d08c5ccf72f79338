"""What the callers of the API were told: every claim by a known user, and what it was answered."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

Key = tuple[int, int]
"""(coupon_id, user_id): what an issue request is known by."""

LOST = 0
"""The status of a claim whose connection was lost, or that was not answered in time."""

ACCEPTED = (200, 202)
IN_TROUBLE = (503, LOST)
"""The claim may hold a place or may not: the caller cannot know."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One claim and its answer. Times are monotonic seconds; `at` is seconds since 1970, its end.

    kind: "" when accepted, the reason of a refusal, the problem's name, or the connection's error.
    told: the status of the request in the answer, "" when it has none. location: its header.
    """

    coupon_id: int
    user_id: int
    status: int
    kind: str
    told: str
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
        """Whether it promised a committed row."""
        return self.status in ACCEPTED

    @property
    def sold_out(self) -> bool:
        """Whether it was refused because no place was left."""
        return self.status == 409 and self.kind == "sold_out"

    def __str__(self) -> str:
        told = " ".join(word for word in (str(self.status), self.kind, self.told) if word)
        return f"claim of user {self.user_id} on coupon {self.coupon_id}, answered {told}"


@dataclass(frozen=True, slots=True)
class Stock:
    """A total that a coupon was given: known to hold from `ended` on, perhaps from `began`."""

    total: int
    began: float
    ended: float


@dataclass
class History:
    """Of one run. Threads add to it while it goes on; the checkers read it afterwards.

    stocks: of each coupon, the totals it was given, growing. quiet: the moments at which the gate
    was seen to hold exactly what the ledger holds, with nothing pending. garbage: the records that
    the nemesis itself wrote to the request topic.
    """

    answers: list[Answer] = field(default_factory=list)
    stocks: dict[int, list[Stock]] = field(default_factory=dict)
    quiet: list[float] = field(default_factory=list)
    garbage: list[bytes] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @property
    def coupon_ids(self) -> list[int]:
        """Every coupon that was claimed."""
        return sorted(self.stocks)

    def add(self, answers: Iterable[Answer]) -> None:
        """Keep answers."""
        with self.lock:
            self.answers.extend(answers)

    def seen(self) -> list[Answer]:
        """The answers so far."""
        with self.lock:
            return list(self.answers)

    def statuses(self) -> Counter[int]:
        """How many answers of each status so far."""
        return Counter(answer.status for answer in self.seen())

    def troubles(self) -> Counter[str]:
        """How many claims got into trouble so far, by kind."""
        return Counter(answer.kind for answer in self.seen() if answer.status in IN_TROUBLE)

    def accepted_since(self, moment: float) -> int:
        """How many claims that began after a moment were accepted."""
        with self.lock:
            newest = reversed(self.answers)
            # Answers are kept in about the order of their ends.
            recent = (a for a in newest if a.accepted and a.began >= moment)
            return sum(1 for _ in zip(recent, range(1000), strict=False))

    def last_quiet(self, moment: float) -> float:
        """The latest quiet moment before this one; the beginning of time when there was none."""
        place = bisect_right(self.quiet, moment)
        return self.quiet[place - 1] if place else float("-inf")

    def least_total(self, coupon_id: int, moment: float) -> int:
        """The total that the gate had at least by a moment: what it had when it was last quiet."""
        stocks = self.stocks[coupon_id]
        quiet = self.last_quiet(moment)
        return max([stocks[0].total, *(each.total for each in stocks if each.ended <= quiet)])
