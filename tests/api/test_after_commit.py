"""What is committed is answered as done, whatever fails afterwards."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import redis
from werkzeug.test import Client

from chaos.link import Link
from coupons.gate.values import coupon_key
from coupons.waiting import eventually
from tests.support.api import ANY_VERSION, NewCoupon
from tests.support.databases import Database

Headers = dict[str, str]
BODY = {"name": "x", "total_quantity": 5}


@pytest.fixture
def keys(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        yield client


@contextmanager
def writers_killed(database: Database) -> Iterator[None]:
    """Whoever writes to the coupon table within loses its connection before the answer."""
    with (
        psycopg.connect(database.superuser_url.rpartition("/")[0] + f"/{database.name}") as blocker,
        psycopg.connect(database.superuser_url, autocommit=True) as killer,
    ):
        blocker.execute("LOCK TABLE coupon IN SHARE MODE")

        def killed() -> bool:
            found = killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND wait_event_type = 'Lock'",
                [database.name],
            )
            return found.fetchone() is not None

        with ThreadPoolExecutor(1) as threads:
            killing = threads.submit(eventually, killed, what="a write waits for the lock")
            yield
            killing.result()


def is_unknown(answer: Any) -> str:
    """The detail of an answer that does not know whether it was done."""
    assert (answer.status_code, answer.json["type"]) == (
        503,
        "urn:coupon-cdc:problem:outcome-unknown",
    )
    return str(answer.json["detail"])


def test_a_coupon_whose_gate_cannot_be_opened_is_created(
    client: Client, admin: Headers, keys: redis.Redis, redis_link: Link
) -> None:
    keys.set(coupon_key(7), "of the wrong type")
    wrong = client.post("/coupons", json={**BODY, "id": 7}, headers=admin)
    keys.hset(coupon_key(9), mapping={"epoch": "0", "shards": "not a number"})
    odd = client.post("/coupons", json={**BODY, "id": 9}, headers=admin)
    assert (odd.status_code, odd.get_json()["id"]) == (201, "9")
    redis_link.cut()
    away = client.post("/coupons", json={**BODY, "id": 8}, headers=admin)
    redis_link.restore()
    assert wrong.get_json()["places_left"] == BODY["total_quantity"], (
        "keys of another type are replaced"
    )
    assert away.get_json()["places_left"] is None
    for answer, coupon_id in ((wrong, "7"), (away, "8")):
        assert (answer.status_code, answer.get_json()["id"]) == (201, coupon_id)
        assert client.get(f"/coupons/{coupon_id}", headers=admin).status_code == 200


@pytest.mark.parametrize("harm", ["wrong type", "not a number"])
def test_a_change_that_the_gate_cannot_take_is_made(
    client: Client, admin: Headers, new_coupon: NewCoupon, keys: redis.Redis, harm: str
) -> None:
    coupon_id = new_coupon()
    if harm == "wrong type":
        keys.set(coupon_key(coupon_id), "of the wrong type")
    else:
        keys.hset(coupon_key(coupon_id), mapping={"version": "x", "epoch": "x", "total": "x"})
    change = client.patch(f"/coupons/{coupon_id}", json={"name": "y"}, headers=admin | ANY_VERSION)
    assert (change.status_code, change.get_json()["name"]) == (202, "y")
    pause = client.post(f"/coupons/{coupon_id}/pause", headers=admin)
    assert (pause.status_code, pause.get_json()["state"]) == (202, "paused")
    read = client.get(f"/coupons/{coupon_id}", headers=admin)
    assert (read.status_code, read.get_json()["name"], read.get_json()["state"]) == (
        200,
        "y",
        "paused",
    )


def test_a_write_whose_answer_is_lost_is_not_said_to_have_failed(
    client: Client, admin: Headers, new_coupon: NewCoupon, database: Database
) -> None:
    coupon_id = new_coupon()
    calls: list[tuple[Callable[..., Any], str, dict[str, Any], str]] = [
        (client.post, "/coupons", BODY, "may create another one"),
        (client.post, "/coupons", {**BODY, "id": 77}, "Coupon 77 may have been created"),
        (client.patch, f"/coupons/{coupon_id}", {"name": "y"}, "may have been changed"),
    ]
    for call, path, body, detail in calls:
        with writers_killed(database):
            answer = call(path, json=body, headers=admin | ANY_VERSION)
        assert detail in is_unknown(answer)
