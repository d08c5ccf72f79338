"""A Redis that answers and refuses is told from one that is away, and is never half used."""

import re
from pathlib import Path

import pytest

from coupons.errors import RedisUnavailable
from coupons.gate import Gate, connect_gate, open_coupon
from coupons.gate.refusals import GateRefusal, GateRefused
from coupons.gate.write_check import check_takes_writes
from coupons.model import Admission, Claim, GateState
from stack.ports import free_ports
from tests.support.gate import PROTOTYPE, OpenCoupon
from tests.support.refusing import HOW_REDIS_REFUSES, redis_that

RUNBOOK = (Path(__file__).parents[2] / "docs" / "how-to" / "runbook.md").read_text("utf-8")
PAGES = {
    GateRefusal.OUT_OF_MEMORY: "Redis refuses writes",
    GateRefusal.TOO_FEW_REPLICAS: "Redis refuses writes",
    GateRefusal.READ_ONLY: "Redis refuses writes",
    GateRefusal.MAY_EVICT: "Redis may evict keys",
}
REFUSES_WRITES = [each for each in HOW_REDIS_REFUSES if each is not GateRefusal.MAY_EVICT]
STAYS_ITSELF = [each for each in HOW_REDIS_REFUSES if each is not GateRefusal.READ_ONLY]
"""A server that was a replica for a while is not the one that the gate was opened under."""


def test_a_redis_that_serves_is_asked_without_a_trace(gate: Gate) -> None:
    check_takes_writes(gate.client)
    assert gate.client.dbsize() == 0


@pytest.mark.parametrize("refusal", HOW_REDIS_REFUSES, ids=lambda each: each.name)
def test_a_redis_that_the_gate_cannot_work_on_is_named_with_its_reason(
    gate: Gate, valkey_url: str, refusal: GateRefusal
) -> None:
    with redis_that(refusal, valkey_url), pytest.raises(GateRefused) as refused:
        check_takes_writes(gate.client)
    assert refused.value.refusal is refusal
    check_takes_writes(gate.client)


@pytest.mark.parametrize(
    "refusal", [each for each in REFUSES_WRITES if each in STAYS_ITSELF], ids=lambda each: each.name
)
def test_a_claim_that_redis_refuses_takes_no_place_and_says_why(
    gate: Gate, opened: OpenCoupon, valkey_url: str, refusal: GateRefusal
) -> None:
    coupon = opened()
    claims = [Claim(coupon.coupon_id, 1), Claim(8, 1)]
    for some in (claims[:1], claims):
        with redis_that(refusal, valkey_url), pytest.raises(GateRefused) as refused:
            gate.admit(some)
        assert refused.value.refusal is refusal
    [figures] = gate.figures([coupon.coupon_id])
    assert figures is not None
    assert (figures.admitted, figures.pending) == (0, 0)
    [admission] = gate.admit(claims[:1])
    assert isinstance(admission, Admission)


def test_a_master_that_became_a_replica_admits_nobody_then_and_afterwards(
    gate: Gate, opened: OpenCoupon, valkey_url: str
) -> None:
    claim = Claim(opened().coupon_id, 1)
    with redis_that(GateRefusal.READ_ONLY, valkey_url):
        with pytest.raises(GateRefused):
            gate.admit([claim])
        with pytest.raises(GateRefused):
            opened(gate_epoch=2)
    assert gate.admit([claim]) == [GateState.STALE]


@pytest.mark.parametrize("refusal", STAYS_ITSELF, ids=lambda each: each.name)
def test_a_gate_is_not_opened_on_such_a_redis_and_the_open_one_stays(
    gate: Gate, opened: OpenCoupon, valkey_url: str, refusal: GateRefusal
) -> None:
    coupon = opened()
    before = gate.figures([coupon.coupon_id])
    with redis_that(refusal, valkey_url), pytest.raises(GateRefused):
        opened(gate_epoch=2)
    assert gate.figures([coupon.coupon_id]) == before


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "volatile-ttl"])
def test_the_gate_opens_under_no_policy_but_noeviction(gate: Gate, policy: str) -> None:
    gate.client.config_set("maxmemory-policy", policy)
    try:
        with pytest.raises(GateRefused, match=policy):
            open_coupon(gate, PROTOTYPE)
    finally:
        gate.client.config_set("maxmemory-policy", "noeviction")
    assert open_coupon(gate, PROTOTYPE)


def test_a_redis_that_is_away_is_no_refusal() -> None:
    away = connect_gate(f"redis://127.0.0.1:{free_ports(['away'])['away']}/0")
    with pytest.raises(RedisUnavailable, match="does not answer") as unavailable:
        check_takes_writes(away.client)
    assert not isinstance(unavailable.value, GateRefused)


@pytest.mark.parametrize("refusal", PAGES, ids=lambda each: each.name)
def test_what_the_runbook_says_to_type_mends_it(
    gate: Gate, valkey_url: str, refusal: GateRefusal
) -> None:
    page = RUNBOOK.partition(f"### {PAGES[refusal]}\n")[2].partition("\n###")[0]
    typed = re.findall(r"((?:CONFIG SET|REPLICAOF) [^`]+)`", page.partition("**Type**")[2])
    with redis_that(refusal, valkey_url):
        with pytest.raises(GateRefused):
            check_takes_writes(gate.client)
        for command in typed:
            gate.client.execute_command(*command.split())  # type: ignore[no-untyped-call]
        check_takes_writes(gate.client)
