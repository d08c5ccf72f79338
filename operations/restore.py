"""Makes the rest of the system consistent with a ledger that was restored from a backup.

The ledger went back in time; the rest did not. Kafka holds change events of requests that the
ledger lost. Connect has offsets in a WAL that no longer exists. The gate has users who are not in
the ledger, under newer epochs than the ledger's. So the lost requests are restored from Kafka, the
offsets are deleted, and the gate's keys are deleted so that the reconciler rebuilds it.
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
from coupons.gate.removal import remove_all_coupons
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection, int_array, translated
from coupons.ledger.heartbeats import write_heartbeat
from coupons.model import IssueRequest
from coupons.queries import query

SKIPPED_IDS = 10_000
"""More than the coupons that are created between two backups."""

_MUST_BE_STOPPED = ("coupon_api", "coupon_consumer", "coupon_reconciler")

Notify = Callable[[str], None]
"""Called with one line for each step."""


class StillRunning(CouponError):
    """Processes of the system still run and would write to the ledger during the restore."""


class Restored(NamedTuple):
    """read: change events. restored: requests written again. unknown: by coupon id, the number of
    requests of coupons that the ledger lost. undecodable: records that are no request. gate_keys:
    deleted. taken: what retention has removed. reaches: the ledger has everything up to then; None:
    not known.
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
        """What retention has removed and the ledger may lack."""
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
    notify: Notify,
) -> Restored:
    """Do all steps; safe to repeat. connection: as coupon_owner.

    Raises StillRunning while API, consumers or reconciler are connected to Postgres, and the errors
    of servers that do not answer.
    """
    refuse_while_running(connection)
    log = RequestLog(kafka, registry_url)
    reaches = read_reaches(connection)
    if read_state(connect, CONNECTOR_NAME) is not None:
        stop_connector(connect, CONNECTOR_NAME)
        forget_offsets(connect, CONNECTOR_NAME)
        notify("stopped the connector and deleted its offsets")
    keys = remove_all_coupons(gate)
    notify(f"deleted the gate's {keys} keys: the reconciler rebuilds it from the ledger")
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
    # Newer than every heartbeat that the ledger lost, so that none is missed.
    write_heartbeat(connection)
    notify(f"read {read} change events, restored {restored} requests that the ledger had lost")
    return done


def refuse_while_running(connection: Connection) -> None:
    """Raises StillRunning while one of the processes that write is connected to this database."""
    with translated(connection):
        found = connection.execute(query("find_sessions"), {"roles": list(_MUST_BE_STOPPED)})
        roles = [row[0] for row in found]
    if roles:
        raise StillRunning(
            f"{', '.join(roles)} is connected to Postgres: stop API, consumers and reconciler"
            " first; on the embedded stack `coupon after-restore --stop` does it"
        )


def restore(connection: Connection, requests: list[IssueRequest]) -> tuple[int, list[int]]:
    """Write the missing ones; returns how many, and the coupon id of each without a coupon."""
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
    """The time up to which a restored ledger has everything, within a second; None: not known.

    It is the newest heartbeat, which is a row like any other. After an earlier run that could not
    restore everything, it is the time kept by that run, which wrote a heartbeat itself. As
    coupon_owner.
    """
    return _moment(connection, "read_reaches")


def keep_reaches(connection: Connection, reaches: datetime | None) -> None:
    """Keep the time up to which the ledger had everything, for the next run."""
    with translated(connection):
        connection.execute(query("keep_reaches"), {"reaches": reaches})


def _moment(connection: Connection, name: str) -> datetime | None:
    with translated(connection):
        row = connection.execute(query(name)).fetchone()
    moment: datetime | None = row[0] if row else None
    return moment


def skip_ids(connection: Connection) -> None:
    """Skip ids, so that no new coupon gets the id of one that was created after the backup."""
    with translated(connection):
        connection.execute(query("skip_coupon_ids"), {"ids": SKIPPED_IDS})
