"""Idempotency-Key: a creation that is repeated creates one coupon, whatever was lost in between."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import redis
from werkzeug.test import Client

from coupons.tokens import SCOPES
from coupons.waiting import eventually
from tests.api.test_after_commit import is_unknown, writers_killed
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database

Headers = dict[str, str]
Create = Callable[..., Any]
BODY = {"name": "x", "total_quantity": 5}


@pytest.fixture
def create(client: Client, admin: Headers) -> Create:
    """Creates a coupon under a key."""

    def create_one(key: str, body: object = BODY, headers: Headers | None = None) -> Any:
        sent = (headers or admin) | {"Idempotency-Key": key}
        return client.post("/coupons", json=body, headers=sent)

    return create_one


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as connection:
        yield connection


def count(owner: psycopg.Connection, table: str) -> int:
    found = owner.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert found is not None
    return int(found[0])


def test_the_same_key_and_body_give_the_same_coupon(
    create: Create, client: Client, admin: Headers, owner: psycopg.Connection
) -> None:
    first, again = create("k-1"), create("k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.get_json() == first.get_json()
    for name in ("Location", "ETag"):
        assert again.headers[name] == first.headers[name]
    # The same in other words.
    for body in ({"total_quantity": 5, "name": "x"}, {**BODY, "issue_ends_at": None}):
        assert create("k-1", body).get_json() == first.get_json()
    assert create('"k-1"').get_json() == first.get_json()
    assert create("k-2").get_json()["id"] != first.get_json()["id"]
    assert count(owner, "coupon") == 2


def test_a_repeat_shows_the_coupon_as_it_is_now(
    create: Create, client: Client, admin: Headers, claim: Any
) -> None:
    made = create("k")
    client.post(f"{made.headers['Location']}/pause", headers=admin)
    again = create("k")
    assert (again.status_code, again.get_json()["state"]) == (201, "paused")
    client.post(f"{made.headers['Location']}/resume", headers=admin)
    assert claim(made.get_json()["id"], 1).status_code == 202
    assert create("k").get_json()["places_left"] == 4


def test_a_repeat_opens_no_gate_that_redis_has_lost(
    create: Create, claim: Any, valkey_url: str
) -> None:
    """It would know of no accepted request, and admit beyond the stock."""
    coupon_id = create("k").get_json()["id"]
    assert claim(coupon_id, 1).status_code == 202
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    assert create("k").status_code == 201
    refused = claim(coupon_id, 2)
    assert (refused.status_code, refused.json["type"]) == (
        503,
        "urn:coupon-cdc:problem:gate-closed",
    )


@pytest.mark.parametrize(
    "other",
    [{**BODY, "name": "y"}, {**BODY, "discount": {"a": None}}, {**BODY, "id": "7"}],
    ids=["name", "discount", "id"],
)
def test_the_same_key_with_another_body_is_422(
    create: Create, owner: psycopg.Connection, other: dict[str, Any]
) -> None:
    assert create("k").status_code == 201
    answer = create("k", other)
    assert (answer.status_code, answer.get_json()["type"]) == (
        422,
        "urn:coupon-cdc:problem:idempotency-key-reused",
    )
    assert count(owner, "coupon") == 1


def test_keys_of_different_callers_are_different_keys(create: Create, bearer: Bearer) -> None:
    mine, theirs = create("k"), create("k", {**BODY, "name": "y"}, bearer(2, SCOPES))
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.get_json()["id"] != theirs.get_json()["id"]


def test_repeats_at_once_create_one_coupon(create: Create, owner: psycopg.Connection) -> None:
    """Who gets 409, because the first takes more than a second, repeats the call."""

    def created(_: int) -> Any:
        def answer() -> Any:
            found = create("k")
            return None if found.status_code == 409 else found

        return eventually(answer, 60, "an answer other than 409")

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(created, range(8)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.get_json()["id"] for each in answers}) == 1
    assert count(owner, "coupon") == 1


def test_a_key_whose_creation_is_running_is_409(
    create: Create, owner: psycopg.Connection, database: Database
) -> None:
    with psycopg.connect(database.url("coupon_owner")) as running:
        running.execute(
            "INSERT INTO idempotency_key (caller_id, key, body_digest) VALUES (1, 'k', sha256('x'))"
        )
        answer = create("k")
        assert (answer.status_code, answer.get_json()["type"]) == (
            409,
            "urn:coupon-cdc:problem:idempotency-key-in-progress",
        )
        running.rollback()
    assert create("k").status_code == 201
    assert count(owner, "coupon") == 1


def test_a_creation_that_fails_leaves_the_key_free(
    create: Create, new_coupon: NewCoupon, owner: psycopg.Connection
) -> None:
    new_coupon(id=7)
    assert create("k", {**BODY, "id": 7}).get_json()["type"].endswith("id-taken")
    window = {**BODY, "issue_ends_at": "2020-01-01T00:00:00Z"}
    assert create("k", window).status_code == 422
    assert count(owner, "idempotency_key") == 0
    assert create("k", {**BODY, "id": 8}).status_code == 201


def test_an_answer_that_was_lost_is_found_by_repeating_the_call(
    create: Create, owner: psycopg.Connection, database: Database
) -> None:
    with writers_killed(database):
        assert "with the same Idempotency-Key" in is_unknown(create("k"))
    assert create("k").status_code == 201
    assert count(owner, "coupon") == count(owner, "idempotency_key") == 1


def test_old_keys_are_deleted_a_few_at_a_time(create: Create, owner: psycopg.Connection) -> None:
    owner.execute(
        "INSERT INTO idempotency_key SELECT 1, 'old ' || n, sha256('x'), 1,"
        " now() - interval '24 hours 1 second' FROM generate_series(1, 25) n"
    )
    owner.execute(
        "INSERT INTO idempotency_key SELECT 1, 'young', sha256('x'), 1,"
        " now() - interval '23 hours 59 minutes'"
    )
    left = []
    for number in range(4):
        assert create(f"k{number}").status_code == 201
        left.append(count(owner, "idempotency_key") - number - 1)
    assert left == [16, 6, 1, 1]
    assert create("young").status_code == 422, "it is kept for a day"
    # An old one that comes again names another creation.
    owner.execute("UPDATE idempotency_key SET taken_at = now() - interval '25 hours'")
    assert create("k0", {**BODY, "name": "y"}).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "\xe9", "a\tb", '""'])
def test_a_key_of_another_form_is_422(create: Create, key: str) -> None:
    answer = create(key)
    assert (answer.status_code, answer.get_json()["type"]) == (
        422,
        "urn:coupon-cdc:problem:invalid",
    )
    assert answer.get_json()["errors"][0]["field"] == "Idempotency-Key"


def test_keys_may_be_as_long_as_255_characters(create: Create) -> None:
    key = "".join(map(chr, range(0x20, 0x7F))).strip() + "x" * (255 - 94)
    assert len(key) == 255
    first = create(key)
    assert (first.status_code, create(key).get_json()) == (201, first.get_json())


def test_a_key_is_waited_for_without_a_session_that_waits_for_ever(
    create: Create, database: Database
) -> None:
    """The wait ends by itself: no session is left that waits for the lock."""
    with psycopg.connect(database.url("coupon_owner")) as running:
        running.execute(
            "INSERT INTO idempotency_key (caller_id, key, body_digest) VALUES (1, 'k', sha256('x'))"
        )
        assert create("k").status_code == 409

        def waiting() -> bool:
            found = running.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            return found is not None and bool(found[0])

        eventually(lambda: not waiting(), what="nobody waits")
