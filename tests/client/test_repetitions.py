"""What is repeated, when, and for how long; against an API that answers as it is told to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coupon_client import CouponClient, Refused, Unreachable
from stack.ports import HOST, free_ports
from tests.client.clock import Clock
from tests.client.scripted_api import (
    COUPON,
    ISSUED,
    LOST,
    REQUEST,
    WAITING,
    Answer,
    ScriptedApi,
    problem,
)

Call = Callable[[CouponClient], Any]
LATER = problem(503, "ledger-unavailable", Retry_After="2")
GIVEN = {"code": "ABC", "issued_coupon_id": REQUEST["id"], "coupon_id": "7"}
DISCARDED = {"id": "7", "discarded_at": "2026-12-31T09:00:00Z", "codes": 0, "listed_users": 0}
ENTRY = {
    "coupon_id": "7",
    "user_id": "42",
    "state": "waiting",
    "joined_at": "2026-12-31T09:00:00Z",
    "ended_at": None,
    "users_ahead": 0,
    "request_id": None,
}
REPEATED: dict[str, tuple[Call, Any]] = {
    "claim": (lambda client: client.claim_coupon(7), REQUEST),
    "read": (lambda client: client.read_coupon(7), COUPON),
    "use": (lambda client: client.use_issued_coupon("x", "order-17"), ISSUED),
    "cancel": (lambda client: client.cancel_use("x", "order-17"), ISSUED),
    "revoke": (lambda client: client.revoke_issued_coupon("x", "a mistake"), ISSUED),
    "give": (lambda client: client.give_code("x"), GIVEN),
    "find": (lambda client: client.find_code("ABC"), {**GIVEN, "state": "active"}),
    "discard": (lambda client: client.discard_draft(7, 1), DISCARDED),
    "create": (lambda client: client.create_coupon("of a test", 3), COUPON),
    "arrive": (lambda client: client.arrive(7), WAITING),
    "join": (lambda client: client.join_line(7), ENTRY),
    "leave": (lambda client: client.leave_line(7), ENTRY),
}
ONCE: dict[str, Call] = {
    "change": lambda client: client.change_coupon(7, 1, name="other"),
    "pause": lambda client: client.pause_coupon(7),
    "resume": lambda client: client.resume_coupon(7, 1),
    "close": lambda client: client.close_coupon(7),
    "archive": lambda client: client.archive_coupon(7),
    "choose": lambda client: client.choose_codes(7, "made"),
    "room": lambda client: client.set_waiting_room(7, 1, 100),
    "no room": lambda client: client.remove_waiting_room(7, 1),
    "switch": lambda client: client.switch_standby_list(7, is_on=True),
    "remove": lambda client: client.remove_free_codes(7),
}
pytestmark = pytest.mark.usefixtures("clock")


@pytest.mark.parametrize("name", REPEATED)
def test_what_is_safe_to_repeat_is_repeated_as_it_was(
    name: str, api: ScriptedApi, client: CouponClient, clock: Clock
) -> None:
    """After a lost answer, and after 503 when Retry-After says; the same path, body and key."""
    call, body = REPEATED[name]
    api.answers = [LOST, LATER, problem(429, "too-many-claims", Retry_After="3"), Answer(200, body)]
    call(client)
    assert len({(each.method, each.path, each.body) for each in api.asked}) == 1
    keys = [each.headers.get("Idempotency-Key") for each in api.asked]
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert (keys[0] is not None) == (name == "create")
    assert clock.slept[1:] == [2, 3]
    assert 0.05 <= clock.slept[0] <= 0.1


@pytest.mark.parametrize("name", ONCE)
@pytest.mark.parametrize("answer", [LOST, LATER], ids=["lost", "503"])
def test_a_change_of_a_coupon_is_sent_once(
    name: str, answer: Answer, api: ScriptedApi, client: CouponClient
) -> None:
    """A repetition could undo what another administrator did in between."""
    api.answers = [answer, Answer(200, COUPON)]
    with pytest.raises((Refused, Unreachable)) as failed:
        ONCE[name](client)
    assert len(api.asked) == 1
    assert failed.value.maybe_done == (answer is LOST)


def test_each_creation_has_a_key_of_its_own(api: ScriptedApi, client: CouponClient) -> None:
    """Or the one that the caller keeps."""
    api.answers = [Answer(201, COUPON)] * 3
    for key in (None, None, "mine"):
        client.create_coupon("of a test", 3, idempotency_key=key)
    keys = [each.headers["Idempotency-Key"] for each in api.asked]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


@pytest.mark.parametrize("kind", ["idempotency-key-in-progress", "codes-busy"])
def test_a_conflict_that_passes_is_waited_for(
    kind: str, api: ScriptedApi, client: CouponClient
) -> None:
    api.answers = [problem(409, kind), problem(409, kind), Answer(201, COUPON)]
    assert client.create_coupon("of a test", 3).id == 7


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "malformed-json"), (401, "unauthenticated"), (409, "sold-out"), (500, "internal")],
)
def test_a_refusal_that_stays_ends_the_call_at_once(
    status: int, kind: str, api: ScriptedApi, client: CouponClient
) -> None:
    """Also with Retry-After: a coupon that is not open yet is the caller's to wait for."""
    api.answers = [problem(status, kind, Retry_After="1")]
    with pytest.raises(Refused, match="It failed") as refused:
        client.claim_coupon(7)
    assert (refused.value.status, refused.value.kind) == (status, kind)
    assert refused.value.retry_after_seconds == 1
    assert len(api.asked) == 1


def test_the_deadline_ends_the_repetitions(api: ScriptedApi, clock: Clock) -> None:
    """The last refusal is raised; nothing is waited for that would be too late."""
    for seconds, pauses in ((5, [2, 2]), (0, [])):
        api.answers, clock.slept = [LATER] * 9, []
        client = CouponClient(api.url, "a-token", within_seconds=seconds)
        with client, pytest.raises(Refused) as refused:
            client.claim_coupon(7)
        assert refused.value.kind == "ledger-unavailable"
        assert clock.slept == pauses


def test_pauses_double_and_differ(api: ScriptedApi, client: CouponClient, clock: Clock) -> None:
    """Without Retry-After; from half to all of each step."""
    api.answers = [LOST] * 5 + [Answer(202, REQUEST)]
    client.claim_coupon(7)
    steps = [0.1 * 2**number for number in range(5)]
    assert all(step / 2 <= slept <= step for step, slept in zip(steps, clock.slept, strict=True))


def test_nobody_there_means_that_nothing_was_done() -> None:
    url = f"http://{HOST}:{free_ports(['nobody'])['nobody']}"
    client = CouponClient(url, "a-token", within_seconds=0)
    with client, pytest.raises(Unreachable, match="Nothing was done") as error:
        client.pause_coupon(7)
    assert not error.value.maybe_done


def test_a_poll_that_is_answered_at_once_is_not_repeated_at_once(
    api: ScriptedApi, client: CouponClient, clock: Clock
) -> None:
    """The API does so when too many wait."""
    api.answers = [Answer(200, REQUEST), Answer(200, {**REQUEST, "status": "REJECTED"})]
    assert client.wait_for_result("x", 10).status == "REJECTED"
    [slept] = clock.slept
    assert 0.5 <= slept <= 1.5


def test_an_upload_begins_again_with_the_first_line(
    api: ScriptedApi, client: CouponClient, tmp_path: Path
) -> None:
    """The type of the file says whether it has a header."""
    file = tmp_path / "codes.csv"
    file.write_text("code\nA1\nA2\n")
    done = {"header": "code", "added": 2, "refused": 0, "reasons": {}, "first_refused": []}
    api.answers = [LOST, problem(409, "codes-busy"), Answer(200, done)]
    assert client.upload_codes(7, file, has_header=True).added == 2
    assert [each.body for each in api.asked] == [b"code\nA1\nA2\n"] * 3
    assert api.asked[0].headers["Content-Type"] == "text/csv; header=present"


@pytest.mark.parametrize("last", [problem(503, "ledger-unavailable"), problem(409, "exists")])
def test_what_an_earlier_attempt_may_have_done_is_not_forgotten(
    last: Answer, api: ScriptedApi
) -> None:
    """A caller who reads that nothing was done would create it a second time."""
    api.answers = [LOST, *[last] * 9]
    with CouponClient(api.url, "a-token", within_seconds=1) as client:
        with pytest.raises(Refused) as refused:
            client.create_coupon("of a test", 3)
        assert refused.value.maybe_done


def test_retry_after_0_makes_no_loop_without_pauses(
    api: ScriptedApi, client: CouponClient, clock: Clock
) -> None:
    """A proxy may say so just when everything is overloaded."""
    at_once = problem(503, "ledger-unavailable", Retry_After="0")
    api.answers = [at_once] * 5 + [Answer(202, REQUEST)]
    client.claim_coupon(7)
    assert clock.slept == sorted(clock.slept)
    assert sum(clock.slept) > 1


def test_who_waits_for_a_turn_asks_when_told_and_shows_the_ticket(
    api: ScriptedApi, client: CouponClient, clock: Clock
) -> None:
    """And gives up at once when the turn comes too late."""
    far, near = (Answer(200, WAITING, {"Retry-After": each}) for each in ("300", "0"))
    api.answers = [far, near, Answer(200, {**WAITING, "is_your_turn": True})]
    assert client.wait_for_turn(7, within_seconds=400).is_your_turn
    assert clock.slept == [300, 1]
    assert [json.loads(each.body) for each in api.asked] == [
        {"ticket": None},
        {"ticket": "0.a"},
        {"ticket": "0.a"},
    ]
    api.answers = [far]
    assert not client.wait_for_turn(7, within_seconds=299).is_your_turn
    assert clock.slept == [300, 1]


def test_a_wait_asks_again_until_its_own_deadline(api: ScriptedApi, clock: Clock) -> None:
    """However short the client repeats its calls."""
    final = {**REQUEST, "status": "ISSUED"}
    api.answers = [LOST, LATER, Answer(200, final)]
    with CouponClient(api.url, "a-token", within_seconds=0) as client:
        assert client.wait_for_result("x", 20).status == "ISSUED"
        api.answers = [LOST] * 99
        began = clock.now
        with pytest.raises(Unreachable):
            client.wait_for_result("x", 20)
        assert 15 < clock.now - began <= 20
