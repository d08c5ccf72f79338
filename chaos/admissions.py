"""What callers saw of waiting rooms and of lists of users, and what rehearsals had."""

from dataclasses import dataclass, field

Key = tuple[int, int]
FOREVER = float("inf")


@dataclass(slots=True)
class Room:
    """A coupon with a waiting room: position p has its turn at opens_at + p / rate.

    opens_at: seconds since 1970; the earliest that was ever wanted. rate: positions a second.
    by_lot: a lot gives the positions, else the position is the number in order of arrival.
    """

    coupon_id: int
    opens_at: float
    rate: int
    by_lot: bool = False

    def turn_at(self, position: int) -> float:
        """From when this position may claim, in seconds since 1970."""
        return self.opens_at + position / self.rate


@dataclass(frozen=True, slots=True)
class Arrival:
    """One call to arrive, and its response. began, ended: monotonic seconds.

    sent: the ticket that was sent, "" without one. ticket: "" without a good answer. position,
    turn_at: None, too, before the lot is drawn. opens_at, turn_at: seconds since 1970. reason: the
    name of the problem or of the connection's error.
    """

    coupon_id: int
    user_id: int
    sent: str
    status: int
    reason: str
    position: int | None
    opens_at: float | None
    turn_at: float | None
    ticket: str
    began: float
    ended: float

    @property
    def key(self) -> Key:
        """Coupon and user."""
        return self.coupon_id, self.user_id

    @property
    def number(self) -> int:
        """The number in order of arrival, of a good answer."""
        return number_of(self.ticket)

    def __str__(self) -> str:
        words = f"arrival of user {self.user_id} at coupon {self.coupon_id}"
        where = f", number {self.number}, position {self.position}" if self.ticket else ""
        return f"{words}, answered {self.status} {self.reason}".rstrip() + where


def number_of(ticket: str) -> int:
    """The number that a ticket brings back."""
    return int(ticket.partition(".")[0])


@dataclass(slots=True)
class UserList:
    """A list that a coupon was opened to. users: None: everybody.

    It came in force between `began` (of the call that sets it) and `ended` (of the answer that
    claims are decided by it); both as monotonic seconds and, with _at, as seconds since 1970.
    """

    coupon_id: int
    users: frozenset[int] | None
    began: float
    began_at: float
    ended: float = FOREVER
    ended_at: float = FOREVER

    def has(self, user_id: int) -> bool:
        """Whether the user may claim by it."""
        return self.users is None or user_id in self.users


@dataclass(frozen=True, slots=True)
class Intruder:
    """A claim of a user who is no synthetic one, at a rehearsal that is open."""

    coupon_id: int
    user_id: int
    status: int
    reason: str


@dataclass(slots=True)
class RehearsalLog:
    """Rehearsals of a run. begun: their coupons, as far as they are known.

    issued: by coupon, the issued coupons that it had shortly before its purge. published: how many
    of these the publication of events lets through. strangers: how many requests were of users who
    are no synthetic ones. intruders: claims of such users.
    """

    begun: list[int] = field(default_factory=list)
    issued: dict[int, int] = field(default_factory=dict)
    published: dict[int, int] = field(default_factory=dict)
    strangers: dict[int, int] = field(default_factory=dict)
    intruders: list[Intruder] = field(default_factory=list)
