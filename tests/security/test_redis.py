"""The link to Redis: the gate trusts only the server whose certificate it can check."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coupons.errors import RedisUnavailable
from coupons.gate import Gate, connect_gate, open_coupon
from coupons.model import Admission, Claim
from tests.security.servers import TlsRedis, tls_redis_program
from tests.support.certificates import Authority
from tests.support.gate import PROTOTYPE

CLAIM = Claim(PROTOTYPE.coupon_id, 1)


@pytest.fixture
def gate(tls_redis: TlsRedis, authority: Authority) -> Iterator[Gate]:
    secured = connect_gate(tls_redis.url(authority))
    secured.client.flushall()
    yield secured
    secured.client.close()


def test_the_gate_admits_over_tls(gate: Gate) -> None:
    assert open_coupon(gate, PROTOTYPE)
    [decision] = gate.admit([CLAIM])
    assert isinstance(decision, Admission)


def test_a_redis_that_another_authority_vouches_for_is_not_spoken_to(
    tls_redis: TlsRedis, wrong_authority: Authority
) -> None:
    with pytest.raises(RedisUnavailable, match="certificate"):
        connect_gate(tls_redis.url(wrong_authority)).admit([CLAIM])


def test_a_redis_with_the_certificate_of_another_host_is_not_spoken_to(
    tls_redis: TlsRedis, authority: Authority, tmp_path: Path
) -> None:
    program = tls_redis_program()
    assert program is not None
    server = TlsRedis(tmp_path, program, authority.elsewhere(), authority)
    server.start()
    try:
        with pytest.raises(RedisUnavailable, match="certificate is not valid for"):
            connect_gate(server.url(authority)).admit([CLAIM])
    finally:
        server.stop()


def test_a_redis_with_tls_takes_no_plain_connection(tls_redis: TlsRedis) -> None:
    with pytest.raises(RedisUnavailable, match="Redis does not answer"):
        connect_gate(f"redis://127.0.0.1:{tls_redis.port}/0").admit([CLAIM])
