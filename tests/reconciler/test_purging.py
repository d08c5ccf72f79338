"""A rehearsal is purged from ledger and gate whatever happens meanwhile, and all are quiet."""

from typing import Any

import pytest
from redis.exceptions import ConnectionError as Lost

from coupons.errors import NotThere, RedisUnavailable
from coupons.gate import Gate
from coupons.gate.purging import look_up, purge
from coupons.gate.rebuild import rebuild
from coupons.gate.values import coupon_key
from coupons.ids import FIRST_REHEARSAL_ID, REHEARSAL_GROUP
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.rehearsals import PurgeRefused, begin_rehearsal, find_rehearsal
from coupons.ledger.requests import accept_requests, find_requests
from coupons.model import Admission, Claim, Refusal
from operations.dead_letters.status import State, read_statuses
from operations.verify.report import check_consistency
from operations.verify.unmatched_rows import find_unmatched
from reconciler.routine_pass import run_pass
from reconciler.watch import Watch
from tests.reconciler.conftest import USERS, Pass, Shop
from tests.reconciler.test_erased_dead_letters import WEEK, WHERE, Topic, topic
from tests.support.databases import Database

__all__ = ["topic"]
SYNTHETIC = range(FIRST_REHEARSAL_ID, FIRST_REHEARSAL_ID + 8)


class Rehearsed(Shop):
    """A rehearsal at gate and ledger; its users are synthetic."""

    def admit(self, *users: int) -> list[Admission]:
        claims = [Claim(self.coupon_id, user, (REHEARSAL_GROUP,)) for user in users]
        return [each for each in self.gate.admit(claims) if isinstance(each, Admission)]


@pytest.fixture
def rehearsed(gate: Gate, database: Database, ops: Connection) -> Rehearsed:
    """Of eight who claimed, five have it and three were rejected or refused."""
    made = Rehearsed(gate, database, begin_rehearsal(ops, "of a test", 20, "somebody"))
    made.accept(*SYNTHETIC)
    made.issue(*SYNTHETIC)
    return made


def keys(gate: Gate, coupon_id: int) -> list[str]:
    return sorted(map(str, gate.client.keys(f"*{{{coupon_id}}}*")))


def of_one(gate: Gate, ops: Connection, coupon_id: int) -> Any:
    return purge(gate, ops, coupon_id, "somebody", WEEK)


def test_nobody_but_synthetic_users_is_admitted(gate: Gate, rehearsed: Rehearsed) -> None:
    """The gate keeps real users out as from any other group."""
    claims = [Claim(rehearsed.coupon_id, 1), Claim(rehearsed.coupon_id, 2, ("vip",))]
    assert gate.admit(claims) == [Refusal.NOT_ELIGIBLE] * 2


def test_a_purge_says_what_there_was_and_looks_again(
    gate: Gate, ops: Connection, rehearsed: Rehearsed, settled: Shop, make_pass: Pass
) -> None:
    """Nothing is left in ledger and gate; the coupon beside it is whole; everybody is quiet."""
    before = keys(gate, settled.coupon_id)
    assert make_pass() == []
    gate.client.set(f"{coupon_key(rehearsed.coupon_id)}:1:left by a rebuild", "1")

    done = of_one(gate, ops, rehearsed.coupon_id)

    assert done.before.rows["issued_coupon"] == done.before.rows["coupon_issue_request"] == 8
    assert done.before.keys >= 3
    assert done.after.is_nothing
    assert "coupon_expiry_walk" in done.after.rows
    assert keys(gate, rehearsed.coupon_id) == []
    assert keys(gate, settled.coupon_id) == before
    assert settled.statuses(*USERS) == ["ISSUED"] * len(USERS)
    assert make_pass() == []
    report = check_consistency(gate, ops, settled.coupon_id)
    assert report is not None
    assert report.complaints == []
    assert list(find_unmatched(ops, None)) == []
    assert check_consistency(gate, ops, rehearsed.coupon_id) is None


def test_a_purge_that_was_cut_off_is_finished_by_the_next(
    gate: Gate, ops: Connection, rehearsed: Rehearsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger has the proof already; the next one removes the keys, and shows the same."""
    with monkeypatch.context() as patched:
        patched.setattr("coupons.gate.removal._remove", _lose)
        with pytest.raises(RedisUnavailable):
            of_one(gate, ops, rehearsed.coupon_id)
    first = find_rehearsal(ops, rehearsed.coupon_id)
    assert first is not None
    assert first.purged_at is not None
    assert not look_up(gate, ops, rehearsed.coupon_id).is_nothing

    done = of_one(gate, ops, rehearsed.coupon_id)

    assert done.rehearsal == first
    assert done.after.is_nothing


def test_the_reconciler_finishes_a_purge_that_was_cut_off(
    gate: Gate,
    ops: Connection,
    reconciler: Connection,
    rehearsed: Rehearsed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = Watch(compare_every_s=0)
    assert list(run_pass(gate, reconciler, 60.0, watch)) == []
    with monkeypatch.context() as patched:
        patched.setattr("coupons.gate.purging.remove_coupons", _lose)
        with pytest.raises(Lost):
            of_one(gate, ops, rehearsed.coupon_id)
    assert keys(gate, rehearsed.coupon_id)

    assert list(run_pass(gate, reconciler, 60.0, watch)) == []

    assert keys(gate, rehearsed.coupon_id) == []


def _lose(*_: Any, **__: Any) -> None:
    raise Lost("in the middle")


def test_what_is_in_flight_is_not_purged(gate: Gate, ops: Connection, rehearsed: Rehearsed) -> None:
    """Neither a claim that is admitted only, nor a request; and it says what to do."""
    late, later = SYNTHETIC.stop, SYNTHETIC.stop + 1
    [admitted] = rehearsed.admit(late)
    with pytest.raises(PurgeRefused, match="1 claims of rehearsal"):
        of_one(gate, ops, rehearsed.coupon_id)
    assert rehearsed.admit(later) == []  # it was closed
    with connect_ledger(rehearsed.database.url("coupon_api"), "test") as api:
        accept_requests(api, [admitted])
    gate.client.flushdb()
    with pytest.raises(PurgeRefused, match="not final: nothing was purged"):
        of_one(gate, ops, rehearsed.coupon_id)
    with connect_ledger(rehearsed.database.url("coupon_consumer"), "test") as consumer:
        issue_or_reject(consumer, find_requests(consumer, [(rehearsed.coupon_id, late)]))
    assert of_one(gate, ops, rehearsed.coupon_id).after.is_nothing


def test_a_claim_that_was_admitted_before_a_purge_is_not_written_after_it(
    gate: Gate, ops: Connection, rehearsed: Rehearsed, make_pass: Pass
) -> None:
    """Redis forgot it meanwhile, so that nobody knew of it."""
    admitted = rehearsed.admit(SYNTHETIC.stop)
    gate.client.flushdb()
    assert of_one(gate, ops, rehearsed.coupon_id).after.is_nothing
    with connect_ledger(rehearsed.database.url("coupon_api"), "test") as api:
        assert accept_requests(api, admitted) == set()
    assert make_pass() == []
    assert look_up(gate, ops, rehearsed.coupon_id).is_nothing


def test_a_rebuild_of_a_purged_rehearsal_finds_nothing(
    gate: Gate, ops: Connection, reconciler: Connection, rehearsed: Rehearsed, settled: Shop
) -> None:
    """Also a mark that comes late; other coupons are rebuilt as ever."""
    requests = find_requests(ops, [(rehearsed.coupon_id, user) for user in SYNTHETIC])
    old = rehearsed.ledger()
    of_one(gate, ops, rehearsed.coupon_id)
    assert rebuild(gate, reconciler, rehearsed.coupon_id) is None
    assert gate.settle(requests) == 0
    assert not gate.define(old)
    assert keys(gate, rehearsed.coupon_id) == []
    gate.client.flushdb()
    rebuild(gate, reconciler, settled.coupon_id)
    assert settled.statuses(*USERS) == ["ISSUED"] * len(USERS)


def test_no_coupon_but_a_rehearsal_is_purged(gate: Gate, ops: Connection, settled: Shop) -> None:
    """It is not even closed."""
    with pytest.raises(NotThere, match="is no rehearsal"):
        of_one(gate, ops, settled.coupon_id)
    assert settled.admit(99)


def test_a_dead_letter_of_a_purged_rehearsal_needs_nobody(
    gate: Gate, topic: Topic, ops: Connection, rehearsed: Rehearsed, settled: Shop
) -> None:
    """Kafka keeps it; the rows that said what was done about it are gone."""
    topic.add(rehearsed.coupon_id, SYNTHETIC.stop, 0)
    topic.add(settled.coupon_id, 99, 1)
    assert [each.state for each in read_statuses(WHERE, ops)] == [State.OPEN, State.OPEN]

    of_one(gate, ops, rehearsed.coupon_id)

    for role in ("ops", "monitor"):
        with connect_ledger(settled.database.url(f"coupon_{role}"), "test") as reader:
            states = [each.state for each in read_statuses(WHERE, reader)]
            assert states == [State.DISCARDED, State.OPEN]


def test_a_rehearsal_is_verified_as_every_coupon(
    gate: Gate, ops: Connection, rehearsed: Rehearsed
) -> None:
    """Until it is purged it is held like any other."""
    report = check_consistency(gate, ops, rehearsed.coupon_id)
    assert report is not None
    assert report.complaints == []
