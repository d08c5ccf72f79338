"""Lists of users beside erasures, verify, and the end of a coupon."""

import pytest

from coupons.gate import Gate, erasing
from coupons.gate.erasing import end_erasures_from_lists, erase_user
from coupons.gate.values import coupon_key
from coupons.ledger.audiences import AudienceOutcome
from coupons.ledger.connection import Connection
from coupons.ledger.erasures import find_erasure
from coupons.model import Claim, Refusal
from operations.verify.report import check_consistency
from tests.reconciler.conftest import Archive, Pass, Shop
from tests.support.audiences import list_users

USER = 7_654_321


def kinds(make_pass: Pass) -> list[tuple[str, str]]:
    return [(str(each.action), each.why) for each in make_pass()]


def test_verify_names_an_audience_that_the_gate_does_not_have(
    shop: Shop, api: Connection, ops: Connection, gate: Gate, make_pass: Pass
) -> None:
    assert list_users(api, shop.coupon_id, [1]) is AudienceOutcome.DONE
    report = check_consistency(gate, ops, shop.coupon_id)
    assert report is not None
    assert report.complaints == ["the gate has another audience than the ledger"]
    assert kinds(make_pass) == [("redefined", "audience")]
    report = check_consistency(gate, ops, shop.coupon_id)
    assert report is not None
    assert report.complaints == []


def test_an_erasure_ends_when_the_gate_has_the_lists_without_the_user(
    shop: Shop,
    api: Connection,
    reconciler: Connection,
    gate: Gate,
    make_pass: Pass,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until the reconciler has brought them, the proof does not say that the gate forgot them."""
    monkeypatch.setattr(erasing, "LISTS_SECONDS", 0.0)
    assert list_users(api, shop.coupon_id, [USER, 1]) is AudienceOutcome.DONE
    assert kinds(make_pass) == [("redefined", "audience")]
    proof = erase_user(gate, api, USER, "a test", None)
    assert (proof.counts["coupon_audience"], proof.at_gate_since) == (1, None)
    end_erasures_from_lists(gate, reconciler)
    found = find_erasure(api, proof.erasure_id)
    assert found is not None
    assert found.at_gate_since is None

    assert kinds(make_pass) == [("redefined", "audience")]
    end_erasures_from_lists(gate, reconciler)
    found = find_erasure(api, proof.erasure_id)
    assert found is not None
    assert found.at_gate_since is not None
    assert gate.admit([Claim(shop.coupon_id, USER)]) == [Refusal.NOT_ELIGIBLE]


def test_a_list_that_cannot_be_brought_delays_no_other_erasure(
    shop: Shop, api: Connection, gate: Gate, make_pass: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it who was on no list."""
    monkeypatch.setattr(erasing, "LISTS_SECONDS", 600.0)
    shop.accept(USER)
    shop.issue(USER)
    assert list_users(api, shop.coupon_id, [1]) is AudienceOutcome.DONE
    proof = erase_user(gate, api, USER, "a test", None)
    assert proof.counts["issued_coupon"] == 1
    assert proof.at_gate_since is not None


def test_an_archived_coupon_leaves_no_list_at_the_gate(
    shop: Shop, api: Connection, gate: Gate, make_pass: Pass, archive: Archive
) -> None:
    assert list_users(api, shop.coupon_id, range(1, 3_000)) is AudienceOutcome.DONE
    assert kinds(make_pass) == [("redefined", "audience")]
    archive(shop.coupon_id)
    make_pass()
    assert not gate.client.keys(f"{coupon_key(shop.coupon_id)}*")
