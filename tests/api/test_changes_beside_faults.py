"""Changes of an issued coupon over HTTP: all at once, or with a server away."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from werkzeug.test import Client

from chaos.link import Link
from coupons.tokens import SCOPES
from coupons.waiting import eventually
from tests.api.conftest import (
    ACTIONS,
    USER,
    Headers,
    Post,
    changes,
)
from tests.api.test_bad_input import is_problem
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import as_owner, waiters

NO_CHANGE_IS_WRITTEN = "LOCK TABLE issued_coupon_change IN SHARE MODE"


def test_a_hundred_uses_at_once_are_one(
    client: Client, path: str, till: Headers, database: Database
) -> None:
    """By a hundred orders: one gets 200, all others 409, and the chain has one row.

    All come while one holds the coupon. A till that gets 503, because that takes too long, repeats
    its call.
    """

    def use(order: int) -> int:
        body = {"order_reference": f"order {order}"}

        def status() -> int:
            code = int(client.post(f"{path}/use", json=body, headers=till).status_code)
            return 0 if code == 503 else code

        return eventually(status, 60, "an answer other than 503")

    with (
        ThreadPoolExecutor(100) as threads,
        psycopg.connect(database.url("coupon_owner")) as holder,
    ):
        holder.execute(NO_CHANGE_IS_WRITTEN)
        uses = threads.map(use, range(100))
        eventually(lambda: waiters(database), 30, "one holds the coupon, and others come")
        holder.rollback()
        answers = Counter(uses)
    assert answers == {200: 1, 409: 99}
    assert len(changes(client, path, till)) == 1


@pytest.mark.parametrize("action", ACTIONS)
def test_with_postgres_down_nothing_is_done(
    client: Client, path: str, bearer: Bearer, post: Post, postgres_link: Link, action: str
) -> None:
    staff = bearer(USER, SCOPES)
    postgres_link.cut()
    answer = post(path, action, staff)
    is_problem(answer, 503, "ledger-unavailable")
    assert answer.headers["Retry-After"]
    postgres_link.restore()
    assert eventually(lambda: client.get(path, headers=staff).get_json().get("state")) == "active"


def test_a_use_whose_answer_was_lost_is_repeated(
    client: Client, path: str, user: Headers, post: Post, postgres_link: Link, database: Database
) -> None:
    """It is committed while the link is silent: 503 says that repeating is harmless, and it is."""
    with (
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(database.url("coupon_owner")) as holder,
    ):
        holder.execute(NO_CHANGE_IS_WRITTEN)
        waiting = threads.submit(post, path, "use", user)
        eventually(lambda: waiters(database), what="the use waits to be written")
        postgres_link.silence()
        holder.rollback()
        lost = waiting.result()
    is_problem(lost, 503, "outcome-unknown")
    assert lost.headers["Location"] == path
    assert "harmless" in lost.json["detail"]
    postgres_link.restore()
    eventually(lambda: post(path, "use", user).status_code == 200, what="the pool has connected")
    assert [each["order_reference"] for each in changes(client, path, user)] == ["A-1"]


def test_redis_is_not_needed(
    client: Client, path: str, user: Headers, post: Post, redis_link: Link
) -> None:
    redis_link.cut()
    assert post(path, "use", user).status_code == 200
    assert client.get(path, headers=user).get_json()["state"] == "used"


def test_before_the_migration_it_is_503_and_says_nothing_else(
    client: Client, path: str, user: Headers, post: Post, database: Database
) -> None:
    """An API of this version on the schema of the one before: all else works."""
    as_owner(database, "DROP VIEW owned_coupon CASCADE")
    for answer in (
        client.get("/users/me/coupons", headers=user),
        client.get(path, headers=user),
        post(path, "use", user),
    ):
        is_problem(answer, 503, "ledger-unavailable")
    assert client.get("/coupons/1", headers=user).status_code == 200
