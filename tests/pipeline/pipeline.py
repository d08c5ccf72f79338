"""What the pipeline's tests do with a stack, and what they know of it."""

from collections.abc import Iterable

from confluent_kafka import Consumer, Message

from coupons.gate import Gate, connect_gate, open_coupon
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import create_coupon, find_coupon
from coupons.ledger.requests import count_requests
from coupons.model import Coupon, RequestCounts
from coupons.waiting import eventually
from stack.disposable import DisposableStack

FINAL_WITHIN_SECONDS = 90.0


class Pipeline:
    """A coupon on the stack, requests for it, and what became of them."""

    def __init__(self, stack: DisposableStack, ledger: Connection, total_quantity: int) -> None:
        self.stack = stack
        self.ledger = ledger
        self.gate: Gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
        self.coupon = self._open_coupon(total_quantity)

    def request(self, user_ids: Iterable[int]) -> None:
        """Write requests as the API does, in one transaction, admitted a microsecond apart."""
        self.ledger.execute(
            "INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)"
            " SELECT %s, user_id, now() + place * interval '1 microsecond'"
            " FROM unnest(%s::bigint[]) WITH ORDINALITY AS r (user_id, place)",
            [self.coupon.coupon_id, list(user_ids)],
        )

    def counts(self) -> RequestCounts:
        """Of the coupon, from the ledger's rows."""
        counts = count_requests(self.ledger, self.coupon.coupon_id)
        assert counts is not None
        return counts

    def all_final(self) -> bool:
        """Whether every request is issued or rejected, in the ledger and at the gate."""
        [figures] = self.gate.figures([self.coupon.coupon_id])
        assert figures is not None
        counts = self.counts()
        marked = (figures.issued, figures.rejected)
        assert marked == (counts.issued, counts.rejected), (figures, counts)
        return counts.in_flight == 0

    def _open_coupon(self, total_quantity: int) -> Coupon:
        coupon = create_coupon(
            self.ledger,
            coupon_id=None,
            name="of a pipeline test",
            total_quantity=total_quantity,
            issue_starts_at=None,
            issue_ends_at=None,
            eligible_group=None,
        )
        assert coupon is not None
        if open_coupon(self.gate, coupon):
            return coupon
        # The reconciler saw it in between, and is loading it under an epoch of its own.
        eventually(lambda: isinstance(self.gate.read(coupon.coupon_id, [1]), list), 30)
        found = find_coupon(self.ledger, coupon.coupon_id)
        assert found is not None
        return found


def read_topic(bootstrap_servers: str, topic: str, group: str) -> Consumer:
    """A reader of a topic from its beginning; it notices soon when the topic is made."""
    reader = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 500,
        }
    )
    reader.subscribe([topic])
    return reader


def next_record(reader: Consumer) -> "Message[bytes, bytes] | None":
    """The next record, or None when there is none just now."""
    message = reader.poll(0.2)
    return None if message is None or message.error() is not None else message
