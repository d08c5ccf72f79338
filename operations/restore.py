"""Makes the rest of the system consistent with a ledger that was restored from a backup.

The ledger went back in time; everything else did not. Kafka holds change events of requests that
the ledger lost, Connect holds offsets of a WAL that no longer exists, and the gate knows of users
whom nobody knows any more, under epochs ahead of the ledger's. So the lost requests are written
again from Kafka, the offsets are forgotten, and the gate is thrown away, to be rebuilt.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from connectors.connect import Connect
from connectors.connector_state import read_state
from connectors.lifecycle import CONNECTOR_NAME, stop_connector
from connectors.offsets import forget_offsets
from coupons.change_events.request_log import RemovedByRetention, RequestLog
from coupons.errors import CouponError
from coupons.gate import Gate
from coupons.gate.discard import discard
from coupons.kafka import KafkaClient
from coupons.ledger.connection import Connection, int_array, translated
from coupons.ledger.heartbeats import write_heartbeat
from coupons.model import IssueRequest
from coupons.queries import query

SKIPPED_IDS = 10_000
"""More than the coupons that anybody makes between two backups."""

_MUST_BE_STOPPED = ("coupon_api", "coupon_consumer", "coupon_reconciler")

Tell = Callable[[str], None]


class StillAtWork(CouponError):
    """Processes of the system run that would work on a ledger that is being mended."""


class Restored(NamedTuple):
    """read: change events. restored: requests written again. unknown: requests by coupon id, of
    coupons that the ledger lost. undecodable: records that are no request. gate_keys: removed.
    taken: what retention has removed. reaches: up to when the ledger has everything; None: unknown.
    """

    read: int
    restored: int
    unknown: dict[int, int]
    undecodable: int
    gate_keys: int
    taken: list[RemovedByRetention]
    reaches: datetime | None

    @property
    def out_of_reach(self) -> list[RemovedByRetention]:
        """What retention has removed that the ledger may lack as well."""
        return [each for each in self.taken if each.may_reach(self.reaches)]

    @property
    def is_complete(self) -> bool:
        """Whether everything that was accepted is known to be back."""
        return not self.unknown and not self.out_of_reach


def after_restore(
    connection: Connection,
    gate: Gate,
    connect: Connect,
    kafka: KafkaClient,
    registry_url: str,
    tell: Tell,
) -> Restored:
    """Do all of it; safe to repeat. connection: as coupon_owner.

    Raises StillAtWork while API, consumers or reconciler are connected to Postgres, and the errors
    of whatever does not answer.
    """
    refuse_while_at_work(connection)
    log = RequestLog(kafka, registry_url)
    reaches = read_reaches(connection)
    if read_state(connect, CONNECTOR_NAME) is not None:
        stop_connector(connect, CONNECTOR_NAME)
        forget_offsets(connect, CONNECTOR_NAME)
        tell("stopped the connector and made it forget its offsets")
    keys = discard(gate)
    tell(f"threw the gate away ({keys} keys): the reconciler rebuilds it from the ledger")
    read = restored = undecodable = 0
    unknown: Counter[int] = Counter()
    for some in log.read():
        written, lost = restore(connection, some.requests)
        read += len(some.requests)
        restored += written
        unknown.update(lost)
        undecodable += some.undecodable
    skip_ids(connection)
    done = Restored(read, restored, dict(unknown), undecodable, keys, log.taken, reaches)
    if done.out_of_reach:
        keep_reaches(connection, reaches)
    # Younger than every heartbeat that the ledger lost, so that none is missed.
    write_heartbeat(connection)
    tell(f"read {read} change events, wrote {restored} requests again that the ledger had lost")
    return done


def refuse_while_at_work(connection: Connection) -> None:
    """Raises StillAtWork while one of the processes that write is connected to this database."""
    with translated(connection):
        found = connection.execute(query("find_sessions"), {"roles": list(_MUST_BE_STOPPED)})
        roles = [row[0] for row in found]
    if roles:
        raise StillAtWork(
            f"{', '.join(roles)} is connected to Postgres: stop API, consumers and reconciler"
            " first; on the embedded stack `coupon after-restore --stop` does it"
        )


def restore(connection: Connection, requests: list[IssueRequest]) -> tuple[int, list[int]]:
    """Write those that are not there; how many, and a coupon id for each whose coupon is not."""
    with translated(connection):
        row = connection.execute(
            query("restore_requests"),
            {
                "coupon_ids": int_array(request.coupon_id for request in requests),
                "user_ids": int_array(request.user_id for request in requests),
                "requested_at_us": int_array(request.requested_at_us for request in requests),
            },
        ).fetchone()
    assert row is not None
    return int(row[0]), list(row[1])


def read_reaches(connection: Connection) -> datetime | None:
    """Up to when a restored ledger has everything, within a second: a beat is a row as any other.

    Not the newest beat after an earlier run that could not bring everything back, which wrote one
    itself. None when it is unknown. As coupon_owner.
    """
    return _moment(connection, "read_reaches")


def keep_reaches(connection: Connection, reaches: datetime | None) -> None:
    """Remember up to when the ledger had everything: what is missing after that stays missing."""
    with translated(connection):
        connection.execute(query("keep_reaches"), {"reaches": reaches})


def _moment(connection: Connection, name: str) -> datetime | None:
    with translated(connection):
        row = connection.execute(query(name)).fetchone()
    moment: datetime | None = row[0] if row else None
    return moment


def skip_ids(connection: Connection) -> None:
    """Let no new coupon have the id of one that was made after the backup."""
    with translated(connection):
        connection.execute(query("skip_coupon_ids"), {"ids": SKIPPED_IDS})
