"""The events of a stack, and what makes them."""

import time

from connectors.connect import Connect
from connectors.events import read_events, start_events
from coupons.change_events import SchemaRegistry
from coupons.change_events.coupon_events import CouponEvent
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection
from coupons.waiting import eventually
from operations.coupon_events import follow_events
from operations.doctor.coupon_events import check_events
from operations.doctor.findings import Finding
from operations.doctor.system import System
from stack.disposable import DisposableStack
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS, Pipeline

ARRIVE_WITHIN_SECONDS = 120.0
"""From the call, however long the connector needs to begin; a run of tests allows 300 s."""


class Events:
    """The events of one stack."""

    def __init__(self, stack: DisposableStack, ledger: Connection) -> None:
        where = stack.environment
        self.connect = Connect(where["COUPON_CONNECT_URL"])
        self.kafka = KafkaClient(where["COUPON_KAFKA_BOOTSTRAP_SERVERS"])
        self.registry = SchemaRegistry(where["COUPON_SCHEMA_REGISTRY_URL"])
        self.ledger = ledger
        nowhere = KafkaClient("")
        database, connect = stack.database_url("ops"), self.connect.url
        self.system = System(None, None, database, "", nowhere, "", connect, "")

    def start(self) -> bool:
        return start_events(self.connect, self.kafka, self.ledger)

    def fault(self) -> str | None:
        return read_events(self.connect, self.ledger).fault

    def named(self, says: str) -> Finding | None:
        """What the doctor says, if it says this."""
        return next((each for each in check_events(self.system) if says in each.says), None)

    def offset(self) -> int | None:
        return read_events(self.connect, self.ledger).offset

    def of(self, coupon_id: int, count: int) -> list[CouponEvent]:
        """The first so many events of a coupon; it waits for them."""
        found: list[CouponEvent] = []
        until = time.monotonic() + ARRIVE_WITHIN_SECONDS
        for event in follow_events(self.kafka, self.registry, from_beginning=True):
            if isinstance(event, CouponEvent) and event.coupon_id == coupon_id:
                found.append(event)
            if len(found) >= count or time.monotonic() > until:
                break
        return found


def issue(pipeline: Pipeline, users: range) -> None:
    pipeline.request(users)
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS, "all are issued")


def change(pipeline: Pipeline, user: int, wanted: str, order: str | None = None) -> None:
    why = "of a test" if wanted == "revoke" else None
    values = [user, pipeline.coupon.coupon_id, wanted, order, why]
    done = pipeline.ledger.execute(
        "SELECT change_issued_coupon(%s, %s, %s, %s, %s, 'a test')", values
    ).fetchone()
    assert done == ("done",)
