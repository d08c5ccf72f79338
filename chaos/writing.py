"""What faults write themselves: garbage on the topic, and one large INSERT."""

import random
import time
from itertools import count

from confluent_kafka import Consumer, Producer, TopicPartition

from chaos.history import Answer, History
from chaos.site import Site
from coupons.change_events import REQUEST_PARTITIONS, REQUEST_TOPIC
from coupons.errors import CouponError
from coupons.ledger.connection import connect_ledger
from coupons.ledger.requests import accept_requests, admitted_as_request
from coupons.model import Admission, Claim

LARGE = 3_000
UNKNOWN_SCHEMA = 1_000_000_000
FLUSH_SECONDS = 30.0
_users = count(1_000_000_000)


def write_garbage(site: Site, history: History, rng: random.Random) -> None:
    """Records of every bad kind, to every partition; kept in the history."""
    servers = site.where["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    unique = rng.randbytes(16)
    bad = [
        rng.randbytes(40),
        b"\0" + (UNKNOWN_SCHEMA + rng.randrange(1_000)).to_bytes(4, "big") + unique,
        b"\0\0" + unique[:2],
    ]
    good = _some_record(servers)
    if good is not None:
        bad += [good[: len(good) // 2] + unique[:4], good[:-1], good + unique]
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0, "log_level": 2})
    failed: list[object] = []
    for number, value in enumerate(bad):
        producer.produce(
            REQUEST_TOPIC,
            value,
            partition=number % REQUEST_PARTITIONS,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
    assert producer.flush(FLUSH_SECONDS) == 0, "the garbage is not written"
    assert not failed, failed
    with history.lock:
        history.garbage.extend(bad)


def write_one_large_insert(site: Site, history: History, coupon_id: int) -> None:
    """Claims of many new users, admitted and accepted as the API does it, in one statement.

    When the gate or the ledger does not take them just now, they are kept as claims in trouble.
    """
    claims = [Claim(coupon_id, next(_users)) for _ in range(LARGE)]
    began = time.monotonic()
    try:
        decisions = site.gate().admit(claims)
        admissions = [each for each in decisions if isinstance(each, Admission)]
        with connect_ledger(site.stack.database_url("api"), "one large insert") as ledger:
            status = 202 if accept_requests(ledger, admissions) else 503
    except CouponError:
        admissions, status = [], 503
    accepted = {each.user_id: admitted_as_request(each) for each in admissions}
    history.add(
        Answer(
            *claim[:2],
            status=status if claim.user_id in accepted else 503,
            kind="" if status == 202 else "gate-closed",
            told="REQUESTED" if status == 202 else "",
            location=f"/issue-requests/{accepted[claim.user_id].id}" if accepted else "",
            began=began,
            ended=time.monotonic(),
            at=time.time(),
        )
        for claim in claims
    )


def _some_record(servers: str) -> bytes | None:
    """The newest record of a partition that has one."""
    reader = Consumer({"bootstrap.servers": servers, "group.id": "garbage", "log_level": 2})
    try:
        for number in range(REQUEST_PARTITIONS):
            place = TopicPartition(REQUEST_TOPIC, number)
            low, high = reader.get_watermark_offsets(place, FLUSH_SECONDS)
            if high > low:
                reader.assign([TopicPartition(REQUEST_TOPIC, number, high - 1)])
                message = reader.poll(FLUSH_SECONDS)
                if message is not None and message.error() is None:
                    return message.value()
    finally:
        reader.close()
    return None
