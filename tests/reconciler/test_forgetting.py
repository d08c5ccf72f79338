"""The gate forgets archived coupons: whatever happens meanwhile, and for good."""

from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from redis.exceptions import ConnectionError as Lost

from coupons.errors import RedisUnavailable
from coupons.gate import Gate, open_coupon
from coupons.gate import rebuild as rebuilding
from coupons.gate.forgetting import Forgotten, forget_archived
from coupons.gate.rebuild import rebuild
from coupons.gate.removal import remove_coupons
from coupons.gate.values import coupon_key
from coupons.gate.write_check import check_takes_writes
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import begin_gate_epoch
from coupons.ledger.discarded import discard_draft
from coupons.ledger.rebuild_lock import alone_with
from coupons.ledger.requests import accept_requests
from coupons.model import Admission, Claim, GateState
from operations.repair.compare_and_repair import compare_and_repair
from reconciler import forgetting
from tests.reconciler.conftest import USERS, Archive, Pass, Shop
from tests.support.audiences import list_users
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon
from tests.support.servers import ValkeyServer


def keys(gate: Gate, coupon_id: int) -> list[str]:
    key = coupon_key(coupon_id)
    return [str(each) for pattern in (key, f"{key}:*") for each in gate.client.keys(pattern)]


def test_what_is_made_and_archived_between_two_passes_is_forgotten(
    gate: Gate, make_coupon: MakeCoupon, archive: Archive, make_pass: Pass
) -> None:
    """No pass has ever listed it."""
    assert make_pass() == []
    made = make_coupon()
    assert open_coupon(gate, made)
    archive(made.coupon_id)
    assert make_pass() == []
    assert keys(gate, made.coupon_id) == []


def test_the_gate_forgets_what_is_archived_and_nothing_else(
    gate: Gate,
    make_coupon: MakeCoupon,
    settled: Shop,
    archive: Archive,
    make_pass: Pass,
) -> None:
    """Also what an interrupted rebuild left, and keys that are no hashes of the gate."""
    other = make_coupon()
    assert open_coupon(gate, other)
    gate.client.hset(f"{coupon_key(settled.coupon_id)}:1:settled:0", "9", "I1")
    gate.client.set(f"{coupon_key(settled.coupon_id)}:x", "spoilt")
    gate.client.set("coupon:{x}:of somebody else", "1")
    gate.client.hset("coupon:{4242}", "of", "a coupon that the ledger does not have")
    all_keys = gate.client.keys("*")
    ours = keys(gate, settled.coupon_id)
    assert make_pass() == []
    assert sorted(gate.client.keys("*")) == sorted(all_keys)
    archive(settled.coupon_id)
    assert make_pass() == []
    assert sorted(gate.client.keys("*")) == sorted(key for key in all_keys if key not in ours)
    assert len(ours) == 4
    assert gate.unavailable([settled.coupon_id, other.coupon_id]) == [GateState.MISSING, None]


def test_an_interrupted_removal_is_gone_on_with(
    gate: Gate,
    settled: Shop,
    archive: Archive,
    make_pass: Pass,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And in between the gate does not have the coupon at all: nobody is told half of it."""
    archive(settled.coupon_id)
    with monkeypatch.context() as patched:

        def lose(*_: Any, **__: Any) -> None:
            raise Lost("in the middle")

        patched.setattr("coupons.gate.removal._remove", lose)
        with pytest.raises(RedisUnavailable):
            make_pass()
    assert len(keys(gate, settled.coupon_id)) == 1
    assert gate.read(settled.coupon_id, [*USERS]) is GateState.MISSING
    assert gate.admit([Claim(settled.coupon_id, 1)]) == [GateState.MISSING]
    assert make_pass() == []
    assert keys(gate, settled.coupon_id) == []


def test_marks_and_gifts_that_come_late_bring_nothing_back(
    gate: Gate, settled: Shop, archive: Archive, make_pass: Pass
) -> None:
    """The consumer may read an event again, and the API give back a place."""
    requests = gate.read(settled.coupon_id, [*USERS])
    assert isinstance(requests, list)
    archive(settled.coupon_id)
    make_pass()
    assert gate.settle(each for each in requests if each) == 0
    assert gate.compensate([Admission(settled.coupon_id, 1, 1, 1, False)]) == 0
    assert not gate.define(settled.ledger())
    assert keys(gate, settled.coupon_id) == []


def test_what_is_rebuilt_meanwhile_is_forgotten_afterwards(
    gate: Gate,
    database: Database,
    settled: Shop,
    archive: Archive,
    make_pass: Pass,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The names of all keys are not read again in each pass meanwhile."""
    looks = []

    def look(*arguments: Any) -> Forgotten:
        looks.append(arguments)
        return forget_archived(*arguments)

    monkeypatch.setattr(forgetting, "forget_archived", look)
    archive(settled.coupon_id)
    with (
        connect_ledger(database.url("coupon_reconciler"), "test") as another,
        alone_with(another, settled.coupon_id),
    ):
        for _ in range(3):
            make_pass()
        assert keys(gate, settled.coupon_id)
        assert len(looks) == 1
    later = monotonic() + forgetting.LOCKED_SECONDS
    monkeypatch.setattr(forgetting, "time", SimpleNamespace(monotonic=lambda: later))
    make_pass()
    assert keys(gate, settled.coupon_id) == []


def test_what_is_rebuilt_on_an_empty_redis_meanwhile_is_forgotten_too(
    gate: Gate,
    database: Database,
    settled: Shop,
    archive: Archive,
    make_pass: Pass,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pass after the archiving finds no key of it, and the rebuild writes them afterwards."""
    monkeypatch.setattr(forgetting, "LOCKED_SECONDS", 0.0)
    make_pass()
    remove_coupons(gate, [settled.coupon_id])

    def meanwhile(client: redis.Redis) -> None:
        check_takes_writes(client)
        archive(settled.coupon_id)
        make_pass()

    monkeypatch.setattr(rebuilding, "check_takes_writes", meanwhile)
    with connect_ledger(database.url("coupon_reconciler"), "test") as another:
        assert rebuild(gate, another, settled.coupon_id) is not None
    assert keys(gate, settled.coupon_id)
    make_pass()
    assert keys(gate, settled.coupon_id) == []


def test_a_rebuild_from_before_the_archiving_lets_nobody_in(
    gate: Gate,
    reconciler: Connection,
    api: Connection,
    settled: Shop,
    archive: Archive,
    make_pass: Pass,
) -> None:
    """It was fenced while the coupon was open, and opens the gate after it was archived."""
    make_pass()
    fenced = begin_gate_epoch(reconciler, settled.coupon_id)
    assert fenced is not None
    archive(settled.coupon_id)
    assert open_coupon(gate, fenced)
    [late] = gate.admit([Claim(settled.coupon_id, 99)])
    assert isinstance(late, Admission)
    assert accept_requests(api, [late]) == set()
    assert make_pass() == []
    assert keys(gate, settled.coupon_id) == []


def test_nothing_loads_the_users_of_an_archived_coupon(
    gate: Gate, reconciler: Connection, settled: Shop, archive: Archive, make_pass: Pass
) -> None:
    archive(settled.coupon_id)
    gate.client.flushall()
    assert make_pass() == []
    assert rebuild(gate, reconciler, settled.coupon_id) is None
    assert list(compare_and_repair(gate, reconciler, settled.ledger(), pending_after_s=0.0)) == []
    assert gate.client.keys("*") == []


def test_a_redis_with_data_from_before_forgets_again(
    gate: Gate,
    valkey_server: ValkeyServer,
    settled: Shop,
    archive: Archive,
    make_pass: Pass,
) -> None:
    """After a restart with an older file, or a failover to a replica that lagged."""
    copies = [(key, f"copy of {key}") for key in keys(gate, settled.coupon_id)]
    for key, copy in copies:
        gate.client.copy(key, copy)
    archive(settled.coupon_id)
    make_pass()
    for key, copy in copies:
        gate.client.rename(copy, key)
    make_pass()
    assert keys(gate, settled.coupon_id), "nothing is read without a reason"
    valkey_server.kill()
    valkey_server.start()
    assert keys(gate, settled.coupon_id)
    make_pass()
    assert keys(gate, settled.coupon_id) == []


def test_what_nobody_saw_is_found_within_the_hour(
    gate: Gate,
    settled: Shop,
    archive: Archive,
    make_pass: Pass,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forgetting, "READ_AGAIN_SECONDS", 0.0)
    archive(settled.coupon_id)
    make_pass()
    gate.client.hset(coupon_key(settled.coupon_id), "epoch", 1)
    make_pass()
    assert keys(gate, settled.coupon_id) == []


def test_a_draft_that_is_discarded_leaves_nothing_at_the_gate(
    gate: Gate,
    api: Connection,
    make_coupon: MakeCoupon,
    make_pass: Pass,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Made and discarded between two passes, or listed before; and whatever was there by accident.

    The gate never has a draft. A key that is there all the same is found when all are read again,
    which no discarded draft is a reason for.
    """
    listed = make_coupon(state="draft").coupon_id
    list_users(api, listed, [1, 2])
    assert make_pass() == []
    between = make_coupon(state="draft").coupon_id
    list_users(api, between, [1, 2])
    for coupon_id in (listed, between):
        discard_draft(api, coupon_id, "a test")
        assert keys(gate, coupon_id) == []
        gate.client.hset(coupon_key(coupon_id), "spoilt", "1")
    assert make_pass() == []
    assert [len(keys(gate, each)) for each in (listed, between)] == [1, 1], "none were read"
    now = monotonic()
    monkeypatch.setattr(
        forgetting,
        "time",
        SimpleNamespace(monotonic=lambda: now + forgetting.READ_AGAIN_SECONDS),
    )
    assert make_pass() == []
    assert (keys(gate, listed), keys(gate, between)) == ([], [])
    assert gate.unavailable([listed, between]) == [GateState.MISSING] * 2
