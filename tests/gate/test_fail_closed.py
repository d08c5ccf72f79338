"""A gate that may have forgotten something admits nobody until it is rebuilt from the ledger."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from coupons.errors import LedgerUnavailable, RedisUnavailable
from coupons.gate import Gate, connect_gate, open_coupon
from coupons.gate.opening import REQUESTS_PER_CALL
from coupons.model import Admission, Claim, GateState, IssueRequest, Refusal, Status
from tests.support.gate import PROTOTYPE, OpenCoupon
from tests.support.servers import ValkeyServer


def _requests(count: int) -> Iterator[IssueRequest]:
    return (IssueRequest(7, user, 1_000 + user, Status.ISSUED) for user in range(1, count + 1))


def test_a_restarted_server_admits_nobody_even_with_all_its_data(own_valkey: ValkeyServer) -> None:
    gate = connect_gate(own_valkey.url)
    open_coupon(gate, PROTOTYPE)
    assert isinstance(gate.admit([Claim(7, 1)])[0], Admission)
    own_valkey.kill()
    with pytest.raises(RedisUnavailable):
        gate.admit([Claim(7, 2)])
    own_valkey.start()
    # The same client goes on: its first command after the restart must be turned away already.
    assert gate.admit([Claim(7, 2)]) == [GateState.STALE]
    assert gate.read(7, [1]) is GateState.STALE


def test_a_rebuild_opens_a_restarted_server_again(own_valkey: ValkeyServer) -> None:
    gate = connect_gate(own_valkey.url)
    open_coupon(gate, PROTOTYPE)
    gate.admit([Claim(7, 9)])
    own_valkey.kill()
    own_valkey.start()
    assert open_coupon(gate, replace(PROTOTYPE, gate_epoch=2), _requests(2))
    assert gate.admit([Claim(7, 1), Claim(7, 3), Claim(7, 4)])[2] is Refusal.SOLD_OUT
    assert not gate.client.keys("coupon:{7}:1:*"), "the old epoch's keys are removed"


def test_a_flushed_server_admits_nobody(gate: Gate, opened: OpenCoupon) -> None:
    opened()
    gate.client.flushall()
    assert gate.admit([Claim(7, 1)]) == [GateState.MISSING]


def test_a_rebuild_loads_every_request_however_many(gate: Gate) -> None:
    count = REQUESTS_PER_CALL * 12 + 1
    coupon = replace(PROTOTYPE, total_quantity=count + 1)
    assert open_coupon(gate, coupon, _requests(count))
    figures = gate.figures([7])[0]
    assert figures is not None
    assert (figures.issued, figures.admitted, figures.places_left) == (count, count, 1)


def test_a_request_in_flight_holds_its_place_after_a_rebuild(gate: Gate) -> None:
    in_flight = IssueRequest(7, 1, 1_000, Status.REQUESTED)
    open_coupon(gate, replace(PROTOTYPE, total_quantity=1), [in_flight])
    assert gate.admit([Claim(7, 2)]) == [Refusal.SOLD_OUT]
    [again] = gate.admit([Claim(7, 1)])
    assert again == Admission(7, 1, 1_000, 1, repeated=True)
    assert gate.compensate([again]) == 0


def test_a_mark_that_arrives_during_a_rebuild_is_not_undone_by_it(gate: Gate) -> None:
    issued = IssueRequest(7, 1, 1_000, Status.ISSUED)

    def stream() -> Iterator[IssueRequest]:
        # Read from the ledger before the outcome was committed, loaded after it was marked.
        assert gate.settle([issued]) == 1
        yield issued._replace(status=Status.REQUESTED)

    assert open_coupon(gate, PROTOTYPE, stream())
    assert gate.read(7, [1]) == [issued]
    figures = gate.figures([7])[0]
    assert figures is not None
    assert (figures.issued, figures.pending) == (1, 0)


def test_a_coupon_is_closed_while_it_is_loaded(gate: Gate) -> None:
    def stream() -> Iterator[IssueRequest]:
        assert gate.admit([Claim(7, 1)]) == [GateState.STALE]
        yield from _requests(1)

    assert open_coupon(gate, PROTOTYPE, stream())


def test_a_server_that_restarts_during_a_rebuild_is_not_opened(own_valkey: ValkeyServer) -> None:
    gate = connect_gate(own_valkey.url)

    def stream() -> Iterator[IssueRequest]:
        yield from _requests(REQUESTS_PER_CALL * 10)
        own_valkey.kill()
        own_valkey.start()
        yield from _requests(1)

    # It is told in one of two ways, as it happens to be loading at that moment or not.
    try:
        assert not open_coupon(gate, PROTOTYPE, stream())
    except RedisUnavailable as error:
        assert "Redis does not answer" in str(error)  # noqa: PT017
    assert gate.admit([Claim(7, 9)])[0] in set(GateState)


def test_a_ledger_that_breaks_during_a_rebuild_leaves_the_coupon_closed(gate: Gate) -> None:
    def stream() -> Iterator[IssueRequest]:
        yield from _requests(REQUESTS_PER_CALL * 30)
        raise LedgerUnavailable("gone")

    with pytest.raises(LedgerUnavailable, match="gone"):
        open_coupon(gate, PROTOTYPE, stream())
    assert gate.admit([Claim(7, 9)]) == [GateState.STALE]


def test_a_rebuild_that_became_void_stops_reading_the_ledger(gate: Gate) -> None:
    read = 0

    def stream() -> Iterator[IssueRequest]:
        nonlocal read
        for read, request in enumerate(_requests(REQUESTS_PER_CALL * 1000), 1):
            if read == REQUESTS_PER_CALL * 10:
                open_coupon(gate, replace(PROTOTYPE, gate_epoch=2))
            yield request

    assert not open_coupon(gate, PROTOTYPE, stream())
    assert read < REQUESTS_PER_CALL * 100
    assert isinstance(gate.admit([Claim(7, 9)])[0], Admission)


def test_an_older_epoch_never_replaces_a_newer_one(gate: Gate, opened: OpenCoupon) -> None:
    opened(gate_epoch=5)
    assert not open_coupon(gate, replace(PROTOTYPE, gate_epoch=4))
    assert not open_coupon(gate, replace(PROTOTYPE, gate_epoch=5))


def test_scripts_survive_script_flush(gate: Gate, opened: OpenCoupon) -> None:
    opened()
    gate.client.script_flush()
    assert isinstance(gate.admit([Claim(7, 1)])[0], Admission)
    gate.client.script_flush()
    first, second = gate.admit([Claim(7, 2), Claim(8, 2)])
    assert isinstance(first, Admission)
    assert second is GateState.MISSING


def test_a_server_that_is_away_is_an_error_and_not_a_hang(own_valkey: ValkeyServer) -> None:
    gate = connect_gate(own_valkey.url)
    own_valkey.kill()
    for ask in (
        lambda: gate.admit([Claim(7, 1)]),
        lambda: gate.read(7, [1]),
        lambda: gate.figures([7]),
    ):
        with pytest.raises(RedisUnavailable, match="Redis does not answer"):
            ask()
