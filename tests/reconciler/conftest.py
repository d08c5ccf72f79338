"""A gate and a ledger that can be made to disagree."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.change_events import log_reader
from coupons.gate import Gate, open_coupon
from coupons.ledger.admin_states import archive_coupon
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import change_coupon, find_coupon
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import accept_requests, find_requests
from coupons.model import Admission, Claim, Coupon, CouponState, IssuedChange
from reconciler.routine_pass import run_pass
from reconciler.watch import Watch
from tests.reconciler.retirements import Type
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon
from tests.support.retiring import archive as archive_long_ago

Archive = Callable[[int], None]
Pass = Callable[[], list[Any]]
Trace = Callable[..., Result]
USERS = range(1, 11)
"""Of the coupon that is settled."""
NOBODY = "127.0.0.1:1"
"""No server listens there."""


@pytest.fixture
def reconciler(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_reconciler"), "test") as connection:
        yield connection


@pytest.fixture
def ops(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_ops"), "test") as connection:
        yield connection


@pytest.fixture
def api(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_api"), "test") as connection:
        yield connection


class Shop:
    """One open coupon, and the steps of a claim, each by itself."""

    def __init__(self, gate: Gate, database: Database, coupon: Coupon) -> None:
        self.gate = gate
        self.database = database
        self.coupon_id = coupon.coupon_id
        open_coupon(gate, coupon)

    def admit(self, *users: int) -> list[Admission]:
        decisions = self.gate.admit([Claim(self.coupon_id, user) for user in users])
        return [decision for decision in decisions if isinstance(decision, Admission)]

    def accept(self, *users: int) -> None:
        with connect_ledger(self.database.url("coupon_api"), "test") as api:
            accept_requests(api, self.admit(*users))

    def issue(self, *users: int, mark: bool = True) -> None:
        with connect_ledger(self.database.url("coupon_consumer"), "test") as consumer:
            requests = find_requests(consumer, [(self.coupon_id, user) for user in users])
            outcomes = issue_or_reject(consumer, requests)
        if mark:
            self.gate.settle(outcome.request for outcome in outcomes)

    def forget(self, *users: int) -> None:
        """As a server does that lost a part of its data and kept its run_id."""
        [figures] = self.gate.figures([self.coupon_id])
        assert figures is not None
        key = f"coupon:{{{self.coupon_id}}}:{figures.epoch}"
        for user in users:
            self.gate.client.zrem(f"{key}:pending", str(user))
            for shard in range(figures.shards):
                self.gate.client.hdel(f"{key}:settled:{shard}", str(user))

    def statuses(self, *users: int) -> list[str | None]:
        read = self.gate.read(self.coupon_id, users)
        assert isinstance(read, Sequence)
        assert not isinstance(read, str)
        return [request and str(request.status) for request in read]

    def has_request(self, user: int) -> bool:
        with connect_ledger(self.database.url("coupon_ops"), "test") as ops:
            return bool(find_requests(ops, [(self.coupon_id, user)]))

    def ledger(self) -> Coupon:
        with connect_ledger(self.database.url("coupon_ops"), "test") as ops:
            coupon = find_coupon(ops, self.coupon_id)
        assert coupon is not None
        return coupon


@pytest.fixture
def shop(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=20))


@pytest.fixture
def other(shop: Shop, make_coupon: MakeCoupon) -> Shop:
    """Another coupon of the same shop."""
    return Shop(shop.gate, shop.database, make_coupon(total_quantity=20))


@pytest.fixture
def archive(api: Connection) -> Archive:
    def close_and_archive(coupon_id: int) -> None:
        change_coupon(api, coupon_id, state=CouponState.CLOSED)
        assert archive_coupon(api, coupon_id)

    return close_and_archive


@pytest.fixture
def settled(shop: Shop) -> Shop:
    """A coupon that everybody has got, and that is open."""
    shop.accept(*USERS)
    shop.issue(*USERS)
    return shop


@pytest.fixture
def make_pass(gate: Gate, reconciler: Connection) -> Pass:
    """A pass of a reconciler that runs since the first one."""
    watch = Watch(compare_every_s=0)
    return lambda: list(run_pass(gate, reconciler, 60.0, watch))


@pytest.fixture
def environment(
    database: Database, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Gate and ledger answer; Kafka, Connect and the registry do not."""
    monkeypatch.setattr(log_reader, "ANSWER_SECONDS", 0.2)
    return {
        "COUPON_DATABASE_URL": database.url("coupon_ops"),
        "COUPON_REDIS_URL": valkey_url,
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": NOBODY,
        "COUPON_SCHEMA_REGISTRY_URL": f"http://{NOBODY}",
        "COUPON_CONNECT_URL": f"http://{NOBODY}",
        "COUPON_STATE_DIR": "",
        "COLUMNS": "80",
    }


@pytest.fixture
def trace(environment: dict[str, str]) -> Trace:
    """Types the command; keywords change the environment."""

    def type_it(*arguments: object, **changes: str) -> Result:
        return CliRunner(env={**environment, **changes}).invoke(
            main, ["trace", *map(str, arguments)]
        )

    return type_it


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For the files of retired coupons."""
    made = tmp_path / "exports"
    made.mkdir()
    return made


@pytest.fixture
def type_it(environment: dict[str, str]) -> Type:
    """Types a command of `coupon`; gate and ledger answer, and nobody else."""

    def type_one(*words: object) -> Result:
        return CliRunner(env=environment).invoke(main, [str(word) for word in words])

    return type_one


@pytest.fixture
def retire_all(type_it: Type, folder: Path) -> Type:
    def type_one(*words: object) -> Result:
        return type_it("retire", "--to", folder, "--yes", "--also-active", *words)

    return type_one


@pytest.fixture
def old(settled: Shop, api: Connection) -> Shop:
    """Archived a year ago: ten issued, one of them used, and one revoked."""
    use = {"order_reference": "order 1"}
    change_owned_coupon(api, 2, settled.coupon_id, IssuedChange.USE, "user 9", **use)
    change_owned_coupon(api, 3, settled.coupon_id, IssuedChange.REVOKE, "user 1", reason="r")
    archive_long_ago(settled.database, settled.coupon_id)
    return settled
