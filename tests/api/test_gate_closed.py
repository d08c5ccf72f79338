"""A server that is not the one the gate was built on admits nobody: 503 until it is rebuilt."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from chaos.link import Link
from coupons.gate import Gate, connect_gate
from coupons.ledger.connection import Connection, connect_ledger
from reconciler.routine_pass import run_pass
from tests.api.test_trouble import figures_of, is_503
from tests.support.api import NewCoupon
from tests.support.databases import Database
from tests.support.servers import ValkeyServer

Claim = Callable[..., Any]
Rows = Callable[[int], int]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[ValkeyServer, ValkeyServer]]:
    """One that is used, and one that can take its place on another port."""
    made = []
    for name in ("used", "other"):
        (tmp_path / name).mkdir()
        made.append(ValkeyServer(tmp_path / name))
        made[-1].start()
    yield made[0], made[1]
    for server in made:
        server.stop()


@pytest.fixture
def redis_link(servers: tuple[ValkeyServer, ValkeyServer]) -> Iterator[Link]:
    with closing(Link(servers[0].url)) as link:
        yield link


@pytest.fixture
def gate(redis_link: Link) -> Gate:
    return connect_gate(redis_link.url)


@pytest.fixture
def reconciler(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_reconciler"), "test") as connection:
        yield connection


def _copy(source: str, target: str) -> None:
    """Everything, as a replica or a snapshot has it."""
    with redis.Redis.from_url(source) as old, redis.Redis.from_url(target) as new:
        for key in old.scan_iter():
            new.restore(key, 0, old.dump(key), replace=True)


def _lead_to(link: Link, url: str) -> None:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    link._target = (parts.hostname, parts.port)
    link.cut()
    link.restore()


def test_a_server_with_an_older_copy_sells_no_place_twice(
    new_coupon: NewCoupon,
    claim: Claim,
    gate: Gate,
    rows: Rows,
    servers: tuple[ValkeyServer, ValkeyServer],
    redis_link: Link,
    reconciler: Connection,
) -> None:
    """A server with an older copy in place of ours sells no place twice."""
    used, other = servers
    coupon_id = new_coupon(total_quantity=3)
    assert claim(coupon_id, 1).status_code == 202
    _copy(used.url, other.url)
    assert [claim(coupon_id, user).status_code for user in (2, 3)] == [202, 202]
    _lead_to(redis_link, other.url)
    for user in (4, 2):
        is_503(claim(coupon_id, user), "gate-closed")
    assert [each.kind for each in run_pass(gate, reconciler, 10.0)] == ["rebuilt_stale"]
    assert claim(coupon_id, 4).json["reason"] == "sold_out"
    assert claim(coupon_id, 2).status_code == 200
    assert (rows(coupon_id), figures_of(gate, coupon_id).pending) == (3, 3)


@pytest.mark.parametrize(
    ("what", "kind"), [("restart", "rebuilt_stale"), ("flush", "rebuilt_missing")]
)
def test_after_a_restart_or_a_flush_the_first_claim_is_503_already(
    what: str,
    kind: str,
    new_coupon: NewCoupon,
    claim: Claim,
    gate: Gate,
    servers: tuple[ValkeyServer, ValkeyServer],
    reconciler: Connection,
) -> None:
    coupon_id = new_coupon(total_quantity=2)
    assert claim(coupon_id, 1).status_code == 202
    if what == "restart":
        servers[0].kill()
        servers[0].start()
    else:
        gate.client.flushall()
    is_503(claim(coupon_id, 2), "gate-closed")
    assert [each.kind for each in run_pass(gate, reconciler, 10.0)] == [kind]
    assert claim(coupon_id, 2).status_code == 202
    assert claim(coupon_id, 3).json["reason"] == "sold_out"
