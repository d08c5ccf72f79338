"""The waiting room over HTTP: set it, arrive, wait, claim."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import Client

from api.settings import ApiSettings
from chaos.link import Link
from coupons.gate import Gate, connect_gate
from coupons.gate.removal import remove_all_coupons
from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from reconciler.routine_pass import run_pass
from tests.api.test_coupon_versions import is_problem
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database

Headers = dict[str, str]
Claim = Callable[..., Any]
Arrive = Callable[..., Any]
FUTURE = "2090-01-01T00:00:00Z"
BY_ARRIVAL = {"admits_per_second": 1, "order": "arrival"}
BY_LOT = {"admits_per_second": 1, "order": "lot"}


@pytest.fixture
def settings_path() -> Callable[[int], str]:
    return lambda coupon_id: f"/coupons/{coupon_id}/waiting-room/settings"


@pytest.fixture
def set_room(
    client: Client, admin: Headers, settings_path: Callable[[int], str]
) -> Callable[..., Any]:
    """Sets the room of a coupon, whichever version it has."""

    def put(coupon_id: int, body: dict[str, Any], **headers: str) -> Any:
        sent = {**admin, **(headers or ANY_VERSION)}
        return client.put(settings_path(coupon_id), json=body, headers=sent)

    return put


@pytest.fixture
def coupon_with_room(new_coupon: NewCoupon, set_room: Callable[..., Any]) -> int:
    coupon_id = new_coupon(issue_starts_at=FUTURE)
    assert set_room(coupon_id, BY_ARRIVAL).status_code == 200
    return coupon_id


@pytest.fixture
def arrive(client: Client, bearer: Bearer) -> Arrive:
    def post(coupon_id: int, user_id: int, body: Any = None, **more: Any) -> Any:
        path = f"/coupons/{coupon_id}/waiting-room"
        return client.post(path, json=body or {}, headers=bearer(user_id, **more))

    return post


@pytest.fixture
def open_now(client: Client, admin: Headers) -> Callable[[int], None]:
    def patch(coupon_id: int) -> None:
        body = {"issue_starts_at": None}
        headers = {**admin, **ANY_VERSION}
        assert client.patch(f"/coupons/{coupon_id}", json=body, headers=headers).status_code == 200

    return patch


def test_who_arrives_learns_position_turn_and_when_to_ask_again(
    client: Client, bearer: Bearer, coupon_with_room: int, arrive: Arrive
) -> None:
    first, second = (arrive(coupon_with_room, user) for user in (41, 42))
    said = second.get_json()
    assert said["position"] == said["people_before"] == 1
    assert said["opens_at"] == "2090-01-01T00:00:00.000000Z"
    assert said["turn_at"] == "2090-01-01T00:00:01.000000Z"
    assert not said["is_your_turn"]
    assert 300 <= int(second.headers["Retry-After"]) <= 360
    again = client.get(f"/coupons/{coupon_with_room}/waiting-room", headers=bearer(42))
    steady = ("position", "turn_at", "ticket", "arrived")
    assert [again.get_json()[name] for name in steady] == [said[name] for name in steady]
    assert first.get_json()["position"] == 0


def test_a_claim_waits_for_its_turn_and_is_then_accepted(
    client: Client,
    bearer: Bearer,
    coupon_with_room: int,
    arrive: Arrive,
    open_now: Callable[[int], None],
    claim: Claim,
) -> None:
    for user in (1, 2, *range(900, 1000), 3):
        arrive(coupon_with_room, user)
    open_now(coupon_with_room)
    early = claim(coupon_with_room, 3)
    is_problem(early, 409, "not-your-turn")
    assert early.get_json()["reason"] == "not_your_turn"
    assert early.get_json()["turn_at"] == arrive(coupon_with_room, 3).get_json()["turn_at"]
    assert 1 <= int(early.headers["Retry-After"]) <= 102
    stranger = claim(coupon_with_room, 4)
    is_problem(stranger, 409, "not-your-turn")
    assert stranger.get_json()["turn_at"] is None
    for user, refusal in ((1, None), (3, "not_your_turn"), (4, "not_your_turn")):
        path = f"/coupons/{coupon_with_room}/issue-requests/me/timeline"
        assert client.get(path, headers=bearer(user)).get_json()["refusal"] == refusal
    turn = arrive(coupon_with_room, 1)
    assert turn.get_json()["is_your_turn"]
    assert turn.get_json()["people_before"] == turn.get_json()["estimated_seconds"] == 0
    assert "Retry-After" not in turn.headers
    assert claim(coupon_with_room, 1).status_code == 202


def test_a_ticket_brings_the_position_back_after_redis_lost_it(
    coupon_with_room: int, arrive: Arrive, settings: ApiSettings, database: Database
) -> None:
    """The rebuild brings the room itself back before it admits anybody."""
    tickets = {user: arrive(coupon_with_room, user).get_json()["ticket"] for user in (1, 2)}
    gate = connect_gate(settings.redis_url.get_secret_value())
    remove_all_coupons(gate)
    is_problem(arrive(coupon_with_room, 1), 503, "gate-closed")
    rebuild_all(database, gate)
    assert arrive(coupon_with_room, 3).get_json()["position"] == 200
    back = arrive(coupon_with_room, 2, {"ticket": tickets[2]}).get_json()
    assert (back["position"], back["ticket"]) == (1, tickets[2])


def rebuild_all(database: Database, gate: Gate) -> None:
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        assert list(run_pass(gate, reconciler, 10.0))


@pytest.mark.parametrize("ticket", ["", "0.", "1.00", "0." + "0" * 32, "x" * 48, "-1." + "0" * 32])
def test_a_forged_ticket_is_refused(coupon_with_room: int, arrive: Arrive, ticket: str) -> None:
    is_problem(arrive(coupon_with_room, 1, {"ticket": ticket}), 422, "invalid")


def test_a_ticket_is_its_users_and_its_coupons(
    coupon_with_room: int,
    arrive: Arrive,
    new_coupon: NewCoupon,
    set_room: Callable[..., Any],
) -> None:
    other = new_coupon(issue_starts_at=FUTURE)
    set_room(other, BY_ARRIVAL)
    stolen = {"ticket": arrive(coupon_with_room, 1).get_json()["ticket"]}
    is_problem(arrive(coupon_with_room, 2, stolen), 422, "invalid")
    is_problem(arrive(other, 1, stolen), 422, "invalid")


@pytest.mark.parametrize("body", [[], {"ticket": 1}, {"ticket": "x" * 49}, {"position": 0}])
def test_an_arrival_is_checked(
    client: Client, bearer: Bearer, coupon_with_room: int, body: Any
) -> None:
    path = f"/coupons/{coupon_with_room}/waiting-room"
    is_problem(client.post(path, json=body, headers=bearer(1)), 422, "invalid")


def test_nobody_waits_at_what_is_not_there_has_no_room_or_is_over(
    client: Client,
    bearer: Bearer,
    admin: Headers,
    new_coupon: NewCoupon,
    arrive: Arrive,
    coupon_with_room: int,
) -> None:
    is_problem(arrive(999_999, 1), 404, "not-found")
    is_problem(arrive(new_coupon(state="draft"), 1), 404, "not-found")
    is_problem(arrive(new_coupon(), 1), 409, "no-waiting-room")
    path = f"/coupons/{coupon_with_room}/waiting-room"
    is_problem(client.get(path, headers=bearer(1)), 404, "not-found")
    client.post(f"/coupons/{coupon_with_room}/close", headers=admin)
    is_problem(arrive(coupon_with_room, 1), 409, "closed")
    client.post(f"/coupons/{coupon_with_room}/archive", headers=admin)
    is_problem(arrive(coupon_with_room, 1), 409, "closed")


def test_who_waits_for_the_lot_asks_again_while_it_is_told(
    new_coupon: NewCoupon, set_room: Callable[..., Any], arrive: Arrive
) -> None:
    """The answers are spread: a million who wait for the lot do not ask in the same second."""
    opens_at = datetime.now(UTC) + timedelta(seconds=200)
    coupon_id = new_coupon(issue_starts_at=opens_at.isoformat())
    set_room(coupon_id, BY_LOT)
    answers = [arrive(coupon_id, user) for user in range(1, 21)]
    assert {answer.get_json()["position"] for answer in answers} == {None}
    pauses = {int(answer.headers["Retry-After"]) for answer in answers}
    assert len(pauses) > 5
    assert max(pauses) <= 172


def test_the_coupon_shows_its_room_and_each_change_is_audited(
    client: Client, admin: Headers, coupon_with_room: int, settings_path: Callable[[int], str]
) -> None:
    path = f"/coupons/{coupon_with_room}"
    assert client.get(path, headers=admin).get_json()["waiting_room"] == BY_ARRIVAL
    shown = client.get(settings_path(coupon_with_room), headers=admin).get_json()
    assert shown == {"waiting_room": BY_ARRIVAL, "lot": None}
    removed = client.delete(settings_path(coupon_with_room), headers={**admin, **ANY_VERSION})
    assert removed.get_json()["waiting_room"] is None
    actions = client.get(f"{path}/audit", headers=admin).get_json()["items"]
    said = [each["detail"] for each in actions if each["action"] == "set waiting room"]
    assert said == ["waiting room: 1 arrival -> none", "waiting room: none -> 1 arrival"]


def test_two_administrators_do_not_overwrite_each_other(
    client: Client, admin: Headers, coupon_with_room: int, set_room: Callable[..., Any]
) -> None:
    seen = client.get(f"/coupons/{coupon_with_room}", headers=admin).headers["ETag"]
    changed = set_room(coupon_with_room, BY_LOT, **{"If-Match": seen})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != seen
    is_problem(
        set_room(coupon_with_room, BY_ARRIVAL, **{"If-Match": seen}), 412, "precondition-failed"
    )
    is_problem(
        set_room(coupon_with_room, BY_ARRIVAL, **{"X-Request-Id": "x"}),
        428,
        "precondition-required",
    )


def test_after_the_opening_a_turn_can_only_come_earlier(
    client: Client,
    admin: Headers,
    coupon_with_room: int,
    set_room: Callable[..., Any],
    open_now: Callable[[int], None],
    settings_path: Callable[[int], str],
) -> None:
    set_room(coupon_with_room, {**BY_ARRIVAL, "admits_per_second": 10})
    open_now(coupon_with_room)
    for other in (BY_ARRIVAL, {**BY_LOT, "admits_per_second": 10}):
        is_problem(set_room(coupon_with_room, other), 409, "waiting-room-fixed")
    assert set_room(coupon_with_room, {**BY_ARRIVAL, "admits_per_second": 20}).status_code == 200
    headers = {**admin, **ANY_VERSION}
    assert client.delete(settings_path(coupon_with_room), headers=headers).status_code == 200
    is_problem(set_room(coupon_with_room, BY_ARRIVAL), 409, "waiting-room-fixed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"admits_per_second": 0, "order": "lot"},
        {"admits_per_second": 100_000, "order": "lot"},
        {"admits_per_second": 1.5, "order": "lot"},
        {"admits_per_second": "1", "order": "lot"},
        {"admits_per_second": 1, "order": "age"},
        {"admits_per_second": 1, "order": "lot", "more": 1},
    ],
)
def test_the_settings_are_checked(
    coupon_with_room: int, set_room: Callable[..., Any], body: dict[str, Any]
) -> None:
    is_problem(set_room(coupon_with_room, body), 422, "invalid")


def test_only_administrators_set_a_room(
    client: Client, bearer: Bearer, coupon_with_room: int, settings_path: Callable[[int], str]
) -> None:
    headers = {**bearer(1), **ANY_VERSION}
    path = settings_path(coupon_with_room)
    is_problem(client.put(path, json=BY_LOT, headers=headers), 403, "insufficient-scope")
    is_problem(client.delete(path, headers=headers), 403, "insufficient-scope")


def test_an_arrival_while_a_server_is_away_says_so_and_costs_nothing(
    coupon_with_room: int, arrive: Arrive, redis_link: Link, postgres_link: Link
) -> None:
    """Whoever has a number needs Postgres no more; a batch is not lost for one coupon's trouble."""
    first = arrive(coupon_with_room, 1).get_json()
    redis_link.cut()
    is_problem(arrive(coupon_with_room, 1), 503, "gate-unavailable")
    redis_link.restore()
    postgres_link.cut()
    assert arrive(coupon_with_room, 1).get_json()["turn_at"] == first["turn_at"]
    numbers = [arrive(coupon_with_room, user).status_code for user in range(2, 201)]
    assert set(numbers) == {200}
    is_problem(arrive(coupon_with_room, 201), 503, "ledger-unavailable")
    postgres_link.restore()
    assert eventually(lambda: arrive(coupon_with_room, 201).status_code == 200, 10)
    assert arrive(coupon_with_room, 201).get_json()["position"] == 200
