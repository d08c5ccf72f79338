"""Delays are heard from the marks of the gate, also after Redis could not be reached."""

import pytest
from redis.client import PubSub

from chaos.link import Link
from coupons.errors import RedisUnavailable
from coupons.gate import Gate, connect_gate
from coupons.gate.delays import watched_delays
from coupons.model import Admission, Claim, IssueRequest, Status
from coupons.waiting import eventually
from tests.support.gate import OpenCoupon


def settle(gate: Gate, coupon_id: int, user_id: int) -> None:
    [admitted] = gate.admit([Claim(coupon_id, user_id)])
    assert isinstance(admitted, Admission | IssueRequest)
    gate.settle([IssueRequest(coupon_id, user_id, admitted.requested_at_us, Status.ISSUED)])


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_delays_are_heard_again_after_redis_was_away(
    gate: Gate, redis_link: Link, opened: OpenCoupon
) -> None:
    coupon = opened(total_quantity=1_000)
    with watched_delays(connect_gate(redis_link.url), coupon.coupon_id) as delays_ms:
        settle(gate, coupon.coupon_id, 1)
        eventually(lambda: len(delays_ms) == 1, 10, "a mark is heard")
        redis_link.cut()
        settle(gate, coupon.coupon_id, 2)
        redis_link.restore()
        users = iter(range(3, 1_000))

        def heard() -> bool:
            settle(gate, coupon.coupon_id, next(users))
            return len(delays_ms) > 1

        eventually(heard, 10, "marks are heard again")


def test_a_redis_that_is_away_is_named_and_no_connection_is_kept(
    redis_link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = connect_gate(redis_link.url)
    closed: list[PubSub] = []

    def close(subscriber: PubSub) -> None:
        closed.append(subscriber)

    monkeypatch.setattr(PubSub, "close", close)
    redis_link.cut()
    with pytest.raises(RedisUnavailable), watched_delays(gate):
        pass
    assert len(closed) == 1
