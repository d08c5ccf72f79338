"""Why not me: each user reads what became of the own claim, or why it is refused now."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from api.bootstrap import Api
from api.timelines import TimelineView
from chaos.link import Link
from coupons.gate import Gate
from coupons.ids import request_id
from coupons.model import Claim as Wish
from tests.api.test_description import conforms
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import as_owner, issue, make_older

Claim = Callable[..., Any]
Timeline = Callable[..., Any]
USER = 5


@pytest.fixture
def timeline(client: Client, bearer: Bearer) -> Timeline:
    """The own timeline of a user."""

    def read(coupon_id: int, user_id: int = USER, **more: Any) -> Any:
        path = f"/coupons/{coupon_id}/issue-requests/me/timeline"
        answer = client.get(path, headers=bearer(user_id, **more))
        assert answer.status_code == 200, answer.text
        conforms(TimelineView, answer.json)
        return answer.json

    return read


def steps(timeline: Any) -> list[str]:
    return [each["step"] for each in timeline["steps"]]


def test_a_request_has_its_moments_from_admission_to_its_end(
    new_coupon: NewCoupon,
    claim: Claim,
    client: Client,
    bearer: Bearer,
    admin: dict[str, str],
    timeline: Timeline,
    database: Database,
) -> None:
    coupon_id = new_coupon()
    claimed = claim(coupon_id, USER).json
    read = timeline(coupon_id)
    assert (read["status"], read["request_id"]) == ("REQUESTED", claimed["id"])
    assert steps(read) == ["admitted", "accepted"]
    assert read["steps"][0]["at"] == claimed["requested_at"]
    issue(database, (coupon_id, USER))
    assert steps(timeline(coupon_id)) == ["admitted", "accepted", "issued"]
    one = f"/issued-coupons/{claimed['id']}"
    order = {"order_reference": "order-1"}
    till = bearer(USER, ("coupon:redeem",))
    for call in ("use", "cancel-use"):
        assert client.post(f"{one}/{call}", json=order, headers=till).status_code == 200
    client.post(f"{one}/revoke", json={"reason": "a fraud"}, headers=admin)
    read = timeline(coupon_id)
    assert steps(read)[2:] == ["issued", "used", "use_cancelled", "revoked"]
    assert (read["status"], read["refusal"], read["hidden_changes"]) == ("ISSUED", None, 0)
    assert read["steps"][-1]["reason"] == "a fraud"
    moments = [each["at"] for each in read["steps"] if each["step"] not in ("admitted", "accepted")]
    assert None not in moments
    assert moments == sorted(moments)
    assert "revoked" in read["advice"]


def test_a_rejection_has_its_reason(
    new_coupon: NewCoupon, claim: Claim, timeline: Timeline, database: Database
) -> None:
    coupon_id = new_coupon(total_quantity=1)
    claim(coupon_id, USER)
    issue(database, (coupon_id, 1), (coupon_id, USER))
    read = timeline(coupon_id)
    assert (read["status"], read["refusal"]) == ("REJECTED", None)
    assert (steps(read)[-1], read["steps"][-1]["reason"]) == ("rejected", "sold_out")
    assert "nothing was left" in read["advice"]


def test_an_expiry_is_shown_before_the_sweep_has_written_it(
    new_coupon: NewCoupon, claim: Claim, timeline: Timeline, database: Database
) -> None:
    coupon_id = new_coupon(valid_for_days=1)
    claim(coupon_id, USER)
    issue(database, (coupon_id, USER))
    assert "expired" not in steps(timeline(coupon_id))
    make_older(database, coupon_id, range(USER, USER + 1))
    read = timeline(coupon_id)
    assert steps(read)[-1] == "expired"
    assert "expired" in read["advice"]


def test_what_the_gate_alone_has_is_admitted_and_not_accepted(
    new_coupon: NewCoupon, timeline: Timeline, gate: Gate
) -> None:
    coupon_id = new_coupon()
    gate.admit([Wish(coupon_id, USER)])
    read = timeline(coupon_id)
    assert (read["status"], steps(read)) == ("REQUESTED", ["admitted"])


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, None),
        ({"issue_starts_at": "2999-01-01T00:00:00Z"}, "not_open"),
        (
            {"issue_starts_at": "2020-01-01T00:00:00Z", "issue_ends_at": "2021-01-01T00:00:00Z"},
            "closed",
        ),
        ({"eligible_group": "vip"}, "not_eligible"),
    ],
)
def test_without_a_request_it_says_what_a_claim_would_be_answered(
    fields: dict[str, Any],
    refusal: str | None,
    new_coupon: NewCoupon,
    claim: Claim,
    timeline: Timeline,
) -> None:
    coupon_id = new_coupon(**fields)
    read = timeline(coupon_id)
    assert (read["status"], read["steps"], read["refusal"]) == (None, [], refusal)
    assert read["opens_at"] == ("2999-01-01T00:00:00.000000Z" if refusal == "not_open" else None)
    assert read["request_id"] == str(request_id(coupon_id, USER))
    assert claim(coupon_id, USER).json.get("reason") == refusal
    if refusal == "not_eligible":
        assert timeline(coupon_id, groups=("vip",))["refusal"] is None


def test_paused_closed_and_sold_out_are_what_a_claim_is_answered(
    new_coupon: NewCoupon,
    client: Client,
    admin: dict[str, str],
    claim: Claim,
    timeline: Timeline,
    database: Database,
) -> None:
    coupon_id = new_coupon(total_quantity=1)
    for action, refusal in (("pause", "paused"), ("resume", None), ("close", "closed")):
        client.post(f"/coupons/{coupon_id}/{action}", headers=admin)
        assert timeline(coupon_id)["refusal"] == refusal
    coupon_id = new_coupon(total_quantity=1)
    claim(coupon_id, 1)
    assert timeline(coupon_id)["refusal"] == claim(coupon_id, USER).json["reason"] == "sold_out"
    issue(database, (coupon_id, 1))
    assert timeline(coupon_id)["refusal"] == "sold_out"


def test_an_unavailable_gate_is_said_and_never_guessed(
    new_coupon: NewCoupon, claim: Claim, timeline: Timeline, redis_link: Link, database: Database
) -> None:
    coupon_id, unreadable = new_coupon(), new_coupon()
    claim(coupon_id, 1)
    as_owner(database, "UPDATE coupon SET created_at = 'infinity' WHERE coupon_id = %s", unreadable)
    assert timeline(unreadable)["refusal"] == "unavailable"
    redis_link.cut()
    assert timeline(coupon_id)["refusal"] == "unavailable"
    assert steps(timeline(coupon_id, 1)) == ["admitted", "accepted"]


def test_no_connection_to_the_ledger_waits_for_the_gate(
    new_coupon: NewCoupon, timeline: Timeline, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a Redis that hangs keeps everybody from the ledger."""
    coupon_id = new_coupon()
    seen = []
    read = Gate.read

    def note(gate: Gate, *arguments: Any) -> Any:
        stats = api.pool.get_stats()
        seen.append(stats["pool_available"] == stats["pool_size"])
        return read(gate, *arguments)

    monkeypatch.setattr(Gate, "read", note)
    timeline(coupon_id)
    assert seen == [True]


def test_nobody_reads_what_is_not_theirs(
    new_coupon: NewCoupon, claim: Claim, client: Client, bearer: Bearer, timeline: Timeline
) -> None:
    coupon_id = new_coupon()
    path = f"{claim(coupon_id, USER).headers['Location']}/timeline"
    own = client.get(path, headers=bearer(USER))
    assert own.json == timeline(coupon_id)
    assert client.get(path, headers=bearer(6)).status_code == 404
    assert client.get(path, headers=bearer(6, ("coupon:ops",))).json == own.json
    assert timeline(coupon_id, 6)["status"] is None
    draft = new_coupon(state="draft")
    for hidden in (
        f"/coupons/{draft}/issue-requests/me/timeline",
        "/coupons/999999/issue-requests/me/timeline",
        f"/issue-requests/{request_id(coupon_id, 6)}/timeline",
    ):
        assert client.get(hidden, headers=bearer(6)).status_code == 404
    assert client.get(f"/coupons/{coupon_id}/issue-requests/me/timeline").status_code == 401
