"""What ledger, gate, topics and offsets hold, read once for the checkers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from chaos.ends import Ends, read_ends
from chaos.history import History, Key
from chaos.remains import Left, read_left
from chaos.stores import ChangeRow, EntryRow, IssuedNow, read_gate, read_ledger
from chaos.terms import ListNow, RoomNow, read_lists, read_rooms
from chaos.topics import DeadLetter, Delivered, Offsets, read_committed, read_topics
from coupons.gate import connect_gate
from coupons.model import IssueRequest


@dataclass(frozen=True)
class Evidence:
    """totals, issued_counts: of each coupon's row. unavailable: coupons without a usable gate.

    issued, rejected: the rows, each as a key. changes: of issued coupons, by key and number.
    entries: of standby lists, in their order. owned: issued coupons as they are read. delivered and
    dead_letters: since the run began. committed: by partition, the group's offsets, read before
    everything else. ends: of short sales. rooms: of coupons with one. lists: of coupons that are
    open to one. rehearsals: what is left of each.
    """

    totals: Mapping[int, int] = field(default_factory=dict)
    issued_counts: Mapping[int, int] = field(default_factory=dict)
    requests: Sequence[IssueRequest] = ()
    issued: Sequence[Key] = ()
    rejected: Sequence[Key] = ()
    changes: Sequence[ChangeRow] = ()
    entries: Sequence[EntryRow] = ()
    owned: Mapping[Key, IssuedNow] = field(default_factory=dict)
    at_gate: Mapping[Key, IssueRequest] = field(default_factory=dict)
    unavailable: Sequence[int] = ()
    delivered: Sequence[Delivered] = ()
    dead_letters: Sequence[DeadLetter] = ()
    committed: Mapping[int, int] = field(default_factory=dict)
    ends: Ends = field(default_factory=Ends)
    rooms: Mapping[int, RoomNow] = field(default_factory=dict)
    lists: Mapping[int, ListNow] = field(default_factory=dict)
    rehearsals: Mapping[int, Left] = field(default_factory=dict)


def read_evidence(where: Mapping[str, str], history: History, begin: Offsets) -> Evidence:
    """Everything about the coupons of this run, and the topics since `begin`.

    where: COUPON_* addresses, the database as its owner. Offsets are read first and the ledger
    last, so that no offset looks committed before its row.
    """
    servers = where["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    committed = read_committed(servers)
    delivered, dead_letters = read_topics(servers, where["COUPON_SCHEMA_REGISTRY_URL"], begin)
    gate, coupon_ids = connect_gate(where["COUPON_REDIS_URL"]), history.coupon_ids
    unavailable, at_gate = read_gate(gate, coupon_ids)
    database_url = where["COUPON_DATABASE_URL"]
    with psycopg.connect(database_url, autocommit=True) as ledger:
        return Evidence(
            **read_ledger(ledger, coupon_ids),
            at_gate=at_gate,
            unavailable=unavailable,
            delivered=delivered,
            dead_letters=dead_letters,
            committed=committed,
            ends=read_ends(gate, ledger, history.sales),
            rooms=read_rooms(database_url, history),
            lists=read_lists(gate, database_url, history),
            rehearsals=read_left(gate, database_url, history.rehearsals.begun),
        )
