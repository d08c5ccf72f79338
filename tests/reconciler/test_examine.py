"""The full comparison finds what the counts do not tell, in both directions, and repairs it."""

import pytest

from coupons.gate import Gate
from coupons.ledger.connection import Connection
from coupons.model import Claim, IssueRequest, Refusal, Status
from operations.repair.compare_and_repair import compare_and_repair
from operations.repair.repairs import Repair, RepairAction
from operations.verify.mismatch import MismatchKind
from reconciler.watch import PASSES_OF_DRIFT, Watch
from tests.reconciler.conftest import Shop


def _examined(shop: Shop, connection: Connection, *, dry_run: bool = False) -> list[Repair]:
    return list(compare_and_repair(shop.gate, connection, shop.ledger(), 0.0, dry_run=dry_run))


def _found(repairs: list[Repair]) -> set[tuple[int, str, str]]:
    return {
        (r.mismatch.user_id, str(r.mismatch.kind), str(r.action)) for r in repairs if r.mismatch
    }


def _rebuilds(repairs: list[Repair]) -> list[str]:
    return [repair.why for repair in repairs if repair.action is RepairAction.REBUILT]


def test_sides_that_agree_are_left_alone(shop: Shop, reconciler: Connection) -> None:
    shop.accept(1, 2, 3)
    shop.issue(1, 2)
    assert _examined(shop, reconciler) == []


def test_a_final_request_that_the_gate_forgot_is_marked_again(
    shop: Shop, reconciler: Connection
) -> None:
    shop.accept(1, 2)
    shop.issue(1, 2)
    shop.forget(2)
    assert _found(_examined(shop, reconciler)) == {(2, "missing_mark", "marked")}
    assert shop.statuses(1, 2) == ["ISSUED", "ISSUED"]


def test_a_request_that_the_gate_forgot_is_put_back_by_a_rebuild(
    shop: Shop, reconciler: Connection
) -> None:
    """A request in flight that the gate forgot gets its place back by a rebuild."""
    shop.accept(*range(1, 21))
    shop.forget(7)
    assert shop.admit(21), "the gate would admit one too many"
    repairs = _examined(shop, reconciler)
    assert (7, "forgotten", "for_rebuild") in _found(repairs)
    assert _rebuilds(repairs) == ["differences"]
    assert shop.statuses(7) == ["REQUESTED"]
    assert shop.gate.admit([_claim(shop, 22)]) == [Refusal.SOLD_OUT]


def test_a_coupon_that_only_redis_tells_of_is_taken_back_by_a_rebuild(
    shop: Shop, reconciler: Connection
) -> None:
    shop.accept(1)
    shop.gate.settle([IssueRequest(shop.coupon_id, 9, 1, Status.ISSUED)])
    assert _found(_examined(shop, reconciler)) == {(9, "ghost", "for_rebuild")}
    assert shop.statuses(1, 9) == ["REQUESTED", None]


def test_an_outcome_that_only_redis_tells_of_is_taken_back_by_a_rebuild(
    shop: Shop, reconciler: Connection
) -> None:
    [admission] = shop.admit(1)
    shop.accept(1)
    shop.gate.settle(
        [IssueRequest(shop.coupon_id, 1, admission.requested_at_us, Status.REJECTED, "sold_out")]
    )
    assert _found(_examined(shop, reconciler)) == {(1, "ghost", "for_rebuild")}
    assert shop.statuses(1) == ["REQUESTED"]


def test_an_admitted_claim_without_a_row_is_rolled_forward(
    shop: Shop, reconciler: Connection
) -> None:
    shop.admit(1)
    assert _found(_examined(shop, reconciler)) == {(1, "unwritten", "rolled_forward")}
    assert _examined(shop, reconciler) == []


def test_wrong_counts_with_right_users_are_mended_by_a_rebuild(
    shop: Shop, reconciler: Connection
) -> None:
    shop.accept(1, 2)
    shop.issue(1)
    shop.gate.client.hincrby(f"coupon:{{{shop.coupon_id}}}", "issued", 5)
    assert _rebuilds(_examined(shop, reconciler)) == ["figures"]
    [figures] = shop.gate.figures([shop.coupon_id])
    assert figures is not None
    assert (figures.issued, figures.pending, figures.admitted) == (1, 1, 2)


def test_a_dry_run_tells_the_same_and_changes_nothing(shop: Shop, reconciler: Connection) -> None:
    shop.accept(1, 2, 3)
    shop.issue(1, mark=False)
    shop.admit(4)
    shop.forget(3)
    told = _examined(shop, reconciler, dry_run=True)
    assert _found(told) == {
        (1, "missing_mark", "marked"),
        (3, "forgotten", "for_rebuild"),
        (4, "unwritten", "rolled_forward"),
    }
    assert _rebuilds(told) == ["differences"]
    assert told == _examined(shop, reconciler, dry_run=True)
    assert _found(_examined(shop, reconciler)) == _found(told)
    assert _examined(shop, reconciler) == []


def test_what_was_merely_on_its_way_is_no_difference(
    shop: Shop, reconciler: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed and not yet marked at the first look, marked at the second."""
    shop.accept(1)
    shop.issue(1, mark=False)
    monkeypatch.setattr("operations.verify.comparison.time.sleep", lambda _: shop.issue(1))
    assert _examined(shop, reconciler) == []


def test_more_differences_than_are_kept_in_memory_are_all_told(
    shop: Shop, reconciler: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operations.verify.comparison.MOST_SUSPECTS", 4)
    monkeypatch.setattr("operations.verify.comparison.REQUESTS_PER_READ", 3)
    shop.accept(*range(1, 18))
    shop.issue(*range(1, 18), mark=False)
    assert len(_found(_examined(shop, reconciler))) == 17


def _claim(shop: Shop, user_id: int) -> Claim:
    return Claim(shop.coupon_id, user_id)


def _note(watch: Watch, shop: Shop, passes: int) -> None:
    for _ in range(passes):
        coupon = shop.ledger()
        [figures] = shop.gate.figures([shop.coupon_id])
        assert figures is not None
        watch.note(coupon, figures)


def test_counts_that_disagree_for_some_passes_make_a_coupon_due(shop: Shop, gate: Gate) -> None:
    watch = Watch(compare_every_s=0)
    shop.accept(1)
    shop.issue(1, mark=False)
    _note(watch, shop, PASSES_OF_DRIFT)
    assert watch.take_due() is None
    _note(watch, shop, 1)
    assert watch.take_due() == (shop.coupon_id, "drift")
    _note(watch, shop, PASSES_OF_DRIFT * 2)
    assert watch.take_due() is None, "not again at once, whatever the counts say"


def test_a_gate_that_lost_one_user_is_noticed_by_its_counts(shop: Shop) -> None:
    watch = Watch(compare_every_s=0)
    shop.accept(1, 2)
    shop.forget(2)
    _note(watch, shop, PASSES_OF_DRIFT + 1)
    assert watch.take_due() == (shop.coupon_id, "drift")


def test_counts_that_agree_are_compared_now_and_then(shop: Shop) -> None:
    watch = Watch(compare_every_s=1e-6)
    _note(watch, shop, 2)
    assert watch.take_due() == (shop.coupon_id, "routine")


def test_the_kinds_of_the_comparison_are_the_ones_that_the_metric_names() -> None:
    from reconciler.metrics import RECONCILER_MISMATCHES

    of_verify = {"in_flight", "dead_letter", "lost", "no_coupon"}
    of_verify |= {"not_issued", "broken_chain", "late_use"}
    of_verify |= {"two_codes", "late_code", "wrong_check"}
    of_verify |= {"not_requested", "still_waits", "overtaken"}
    named = {kind for kind in MismatchKind if str(kind) in RECONCILER_MISMATCHES._documentation}
    assert named == set(MismatchKind) - of_verify
