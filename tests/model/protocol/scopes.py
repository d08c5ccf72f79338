"""Which worlds are searched, and what must be found in them once a protection is taken away.

The settings are those of scope.h of each model. A scope is small enough for every run of the tests,
or large: minutes, and gigabytes (`make model`).
"""

from typing import NamedTuple


class Scope(NamedTuple):
    """One search. settings: of scope.h. most_states: more than there are, or the search stops."""

    name: str
    model: str
    settings: str
    without: tuple[str, ...] = ()
    most_states: int = 1_000_000

    @property
    def arguments(self) -> list[str]:
        """Of the model's program."""
        return [*self.settings.split(), *(f"without={protection}" for protection in self.without)]


class Harm(NamedTuple):
    """What must be found: an invariant whose number is one of these."""

    scope: Scope
    breaks: tuple[int, ...]


def _small(name: str, settings: str, model: str = "pipeline") -> Scope:
    return Scope(name, model, settings)


def _large(name: str, settings: str, model: str = "pipeline") -> Scope:
    return Scope(name, model, settings, most_states=60_000_000)


def _without(protections: str, settings: str, *breaks: int, model: str = "pipeline") -> Harm:
    return Harm(Scope(protections, model, settings, tuple(protections.split())), breaks)


_PAIR = "servers=2 redis=2 rebuilds=1 claims=1 roll_forward=0"
_BEHIND = "failovers=1 asynchronous=1 claims=1 roll_forward=0"

SMALL = [
    _small("every trouble of a write", "lost=1 refused=1 crashes=1 claims=1"),
    _small("claims that are repeated", "lost=1 refused=1 claims=2"),
    _small("two API processes and one user", "users=1 writers=2 lost=1 refused=1 crashes=1"),
    _small("Redis restarts in a rebuild", "redis=1 rebuilds=1 crashes=1 claims=1"),
    _small(
        "two rebuilds at once", "rebuilds=2 rebuilders=2 redis=1 lost=1 claims=1 roll_forward=0"
    ),
    _small("Redis fails over and back", _PAIR),
    _small("three users and two places", "users=3 total=2 claims=1"),
    _small("the total changes, and a pause", "changes=1 pauses=1 total=2 claims=1"),
    _small("archived while Redis restarts", "archives=1 redis=1 rebuilds=1 claims=1 users=1"),
    _small(
        "archived while a rebuild runs", "archives=1 lost=1 crashes=1 rebuilds=1 claims=1 users=1"
    ),
    _small("a gap, and a restore", "gaps=1 restores=1 claims=1"),
    _small("Postgres fails over", "failovers=1 rebuilds=1 redis=1 lost=1 claims=1 roll_forward=0"),
    _small("the ledger goes back after a change", f"{_BEHIND} users=1 changes=2 most_total=3"),
    _small("the ledger goes back, Redis restarts", f"{_BEHIND} users=1 redis=1 rebuilds=2"),
    _small("a standby list", "joins=1 leaves=1 changes=1 claims=1"),
    _small("promotions that are cut off", "joins=1 leaves=1 crashes=1 claims=1"),
    _small("a promoter that is stopped", "joins=1 leaves=1 crashes=1 lost=1 claims=1 users=1"),
    _small("two in line", "users=3 joins=2 changes=1 claims=1 roll_forward=0"),
    _small("a line that begins in a rebuild", "joins=1 rebuilds=1 redis=1 claims=1"),
    _small("a line of a coupon that is closed", "joins=1 archives=1 claims=1 crashes=1"),
    _small(
        "members stop, crash and rebalance", "stops=1 crashes=1 abandons=1 rebalances=1", "group"
    ),
    _small("dead letters, replayed", "poison=1 replays=2 crashes=1 stops=1", "group"),
    _small("a room that Redis loses", "users=3 workers=2 flushes=1 arrivals=2", "room"),
    _small("a room on another server", "failovers=1 restarts=1 bare=1", "room"),
    _small("arrivals that are cut off", "workers=2 flushes=1 crashes=1 lost=1", "room"),
    _small("a lot", "by_lot=1 workers=2 flushes=1", "room"),
    _small("a lot whose opening is moved", "by_lot=1 workers=2 moves=1", "room"),
    _small("a lot on another server", "by_lot=1 failovers=1 lost=1 moves=1", "room"),
    _small("a room that is taken away and set", "changes=2 rebuilds=1 flushes=1 moves=1", "room"),
    _small("an erasure that is cut off", "rebuilds=1 crashes=1 arrivals=1", "erasure"),
    _small("an erasure while Redis restarts", "restarts=1 total=2", "erasure"),
    _small("an erasure, and old records", "rereads=2 claims=1", "erasure"),
    _small("an erasure, and late marks", "total=2 rereads=1 late=1 hourly=1", "erasure"),
    _small("an erasure of who waits", "joins=1 total=2 crashes=1 late=1 hourly=1", "erasure"),
]

LARGE = [
    _large("everything once", "lost=1 crashes=1 redis=1 rebuilds=1 refused=1 claims=1"),
    _large(
        "two API processes",
        "writers=2 lost=1 crashes=1 refused=1 redis=1 rebuilds=1 total=2 roll_forward=0",
    ),
    _large("two rebuilds, failovers", "servers=2 redis=3 rebuilds=2 rebuilders=2 roll_forward=0"),
    _large("changes while Redis restarts", "changes=2 redis=1 rebuilds=1 claims=1 total=2"),
    _large("archived in every trouble", "archives=1 lost=1 crashes=1 redis=1 rebuilds=1 claims=1"),
    _large("archived, and Redis fails over", f"{_PAIR} archives=1 lost=1"),
    _large("archived, and the ledger goes back", f"{_BEHIND} archives=1 redis=1 rebuilds=1"),
    _large("the ledger goes back", f"{_BEHIND} changes=1 redis=1 rebuilds=2 lost=1"),
    _large("restores and gaps", "gaps=1 restores=2 redis=1 lost=1 claims=1 roll_forward=0"),
    _large("a standby list in trouble", "joins=1 leaves=1 changes=1 claims=1 lost=1 crashes=1"),
    _large("a line while Redis fails over", f"{_PAIR} joins=1 changes=1"),
    _large("two partitions", "partitions=2 stops=1 crashes=1", "group"),
    _large("three records, two stops", "records=3 most_in_hand=3 stops=2 abandons=1", "group"),
    _large("a room in trouble", "arrivals=4 workers=2 flushes=1 failovers=1", "room"),
    _large("a lot in trouble", "by_lot=1 arrivals=4 flushes=1 failovers=1 bare=1 lost=1", "room"),
    _large(
        "a room that changes in trouble",
        "changes=2 rebuilds=1 flushes=1 failovers=1 crashes=1 arrivals=4",
        "room",
    ),
    _large(
        "an erasure in trouble",
        "restarts=1 rebuilds=1 rereads=1 late=1 crashes=1 joins=1 total=2 hourly=1",
        "erasure",
    ),
]

HARMS = [
    _without("gate-knows-its-server", "redis=1 roll_forward=0", 8),
    _without("identity-has-replid", _PAIR, 8),
    # The count at open.lua finds whatever either of the other two would: it has to go with them.
    _without("open-knows-its-server open-counts", "redis=1 rebuilds=1 roll_forward=0", 8),
    _without("load-knows-its-server open-counts", _PAIR, 6, 8),
    _without("epoch-fences-writes", "rebuilds=1 roll_forward=0", 8),
    _without("fence-waits-for-writes", "rebuilds=1 roll_forward=0", 8),
    _without("epoch-above-gates", f"{_BEHIND} rebuilds=1", 10),
    _without("numbers-never-repeat", f"{_BEHIND} users=1 redis=1 rebuilds=2", 8),
    _without("numbers-never-repeat", f"{_BEHIND} changes=2 most_total=3", 10),
    _without("ahead-is-rebuilt", f"{_BEHIND} changes=1", 10),
    _without("rows-follow-outcomes", _BEHIND, 10),
    _without("repeated-keeps-its-place", "refused=1", 6),
    _without("unknown-keeps-its-place", "lost=1", 6),
    _without("admitted-before-closed", "pauses=1 crashes=1", 10),
    _without("answer-follows-commit", "", 1),
    _without("mark-follows-commit", "", 4),
    _without("offsets-follow-batch", "", 5),
    _without("total-is-checked", "changes=1 total=2", 2),
    _without("issued-once", "total=2", 3),
    _without("unwritten-are-rolled-forward", "crashes=1", 10),
    _without("gap-is-named", "gaps=1", 5, 11),
    _without("restore-reads-the-log", "restores=1 roll_forward=0", 1),
    _without("restore-discards-the-gate", "restores=1 roll_forward=0", 4),
    _without("restore-emits-again", "restores=1 roll_forward=0", 5, 11),
    # A rebuild that defines again at its end closes the gate by itself.
    _without("archive-fences rebuild-defines-again", "archives=1 rebuilds=1 claims=1", 12),
    _without(
        "archive-waits-for-writes rebuild-defines-again", "archives=1 rebuilds=1 claims=1", 12
    ),
    _without("forget-takes-the-lock", "archives=1 rebuilds=1 claims=1", 12),
    _without("forget-looks-again", "archives=1 redis=1 claims=1", 12),
    _without("line-closes-the-gate", "joins=1 claims=1", 13),
    _without("rebuild-defines-again", "joins=1 rebuilds=1 claims=1", 13),
    _without("promotion-holds-the-entry", "joins=1 leaves=1 claims=1", 14),
    _without("promotion-ends-in-time", "joins=1 leaves=1 lost=1 crashes=1 claims=1", 14),
    _without("leaving-asks-the-gate", "joins=1 leaves=1 crashes=1 claims=1", 14),
    # Without both the consumer does as it did once: what it dropped was lost.
    _without("dropped-are-read-again goes-on-at-position", "stops=1", 5, 7, model="group"),
    _without("abandoned-are-read-again goes-on-at-position", "abandons=1", 5, model="group"),
    _without("offsets-follow-batch", "crashes=1", 5, model="group"),
    _without("letters-are-delivered", "poison=1", 9, model="group"),
    _without("numbers-are-reserved", "flushes=1", 15, model="room"),
    _without("block-knows-its-server", "failovers=1", 15, model="room"),
    _without("block-has-a-new-name", "flushes=1", 15, model="room"),
    _without("fill-looks-again", "workers=2", 15, model="room"),
    _without("ticket-brings-back", "flushes=1", 16, model="room"),
    _without("smaller-number-stays", "flushes=1 bare=1", 16, model="room"),
    _without("tickets-are-signed", "", 15, model="room"),
    _without("lot-is-drawn-once", "by_lot=1 flushes=1", 17, model="room"),
    _without("lot-counts-the-reserved", "by_lot=1 flushes=1", 17, model="room"),
    _without("lot-is-of-the-opening", "by_lot=1 workers=2 moves=1", 17, model="room"),
    _without("lot-is-waited-for", "by_lot=1 workers=2", 17, model="room"),
    _without("turn-is-checked", "", 18, model="room"),
    _without("rebuild-brings-the-room", "changes=2 rebuilds=1", 18, model="room"),
    _without("unfinished-is-refused", "", 20, model="erasure"),
    _without("pending-is-refused", "", 20, model="erasure"),
    _without("unavailable-is-refused", "restarts=1", 20, model="erasure"),
    # Either is enough where nothing else goes wrong.
    _without("mark-is-awaited watch-sees-late-marks", "", 20, model="erasure"),
    _without("lines-are-left-first", "joins=1 total=2", 20, model="erasure"),
    _without("rebuild-is-excluded", "rebuilds=1", 20, model="erasure"),
    _without("room-is-left", "arrivals=1", 20, model="erasure"),
    _without("watch-ends-what-was-cut-off", "crashes=1", 20, model="erasure"),
    _without("watch-sees-returned", "rereads=1", 20, model="erasure"),
    _without("new-claims-stay", "total=2 rereads=1", 21, 22, model="erasure"),
    _without("counts-follow", "crashes=1 rebuilds=1", 21, model="erasure"),
]

_REPLAYED = "claims=20 times=7 consumers=2 refusals=1"
REPLAYED = [
    _small("writes", f"{_REPLAYED} writers=2 late=2 lost=6 refused=4 crashes=3 rebuilds=3"),
    _small("rebuilds", f"{_REPLAYED} redis=2 rebuilds=9 rebuilders=2 lost=1 crashes=1 total=2"),
    _small("restarts", f"{_REPLAYED} redis=5 rebuilds=9 total=2"),
    _small("archived", f"{_REPLAYED} archives=1 rebuilds=5 rebuilders=2 lost=2 crashes=1 total=2"),
    _small("changes", f"{_REPLAYED} changes=5 pauses=5 total=2 gaps=1 lost=1 rebuilds=2"),
]
"""Random ways through these are taken by the real code. Every server but Redis stays up in them."""
