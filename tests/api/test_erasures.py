"""An administrator erases a user over HTTP, and gets a proof that names nobody."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from werkzeug.test import Client

from chaos.link import Link
from coupons.gate import Gate
from coupons.ids import FIRST_ERASED_ID, FIRST_REHEARSAL_ID
from coupons.ledger.connection import connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from coupons.waiting import eventually
from tests.api.test_coupon_versions import is_problem
from tests.support.api import RETRY_AFTER, NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import as_owner, waiters

Headers = dict[str, str]
USER = 4711


@pytest.fixture
def finish(database: Database, gate: Gate) -> Callable[[int, int], None]:
    """Issues a request as the consumer does."""

    def issue_one(coupon_id: int, user: int) -> None:
        with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
            outcomes = issue_or_reject(consumer, find_requests(consumer, [(coupon_id, user)]))
        gate.settle(outcome.request for outcome in outcomes)

    return issue_one


@pytest.fixture
def erase(client: Client, admin: Headers) -> Callable[[int], Any]:
    return lambda user: client.post(f"/users/{user}/erasures", headers=admin)


def test_a_user_is_erased_and_may_claim_again(
    client: Client,
    bearer: Bearer,
    new_coupon: NewCoupon,
    claim: Callable[..., Any],
    finish: Callable[[int, int], None],
    erase: Callable[[int], Any],
) -> None:
    """Their coupons are gone, the counts stay, and a claim is that of somebody new."""
    coupon_id = new_coupon()
    request = claim(coupon_id, USER).get_json()["id"]
    finish(coupon_id, USER)

    erased = erase(USER)

    assert erased.status_code == 200
    proof = erased.get_json()
    assert proof["counts"]["issued_coupon"] == 1
    assert proof["at_gate_since"] > proof["erased_at"]
    assert str(USER) not in erased.get_data(as_text=True)
    mine = client.get("/users/me/coupons", headers=bearer(USER))
    assert mine.get_json()["items"] == []
    for path in (f"/issue-requests/{request}", f"/issued-coupons/{request}"):
        assert client.get(path, headers=bearer(USER)).status_code == 404
    assert claim(coupon_id, USER).status_code == 202


def test_the_proof_is_read_again_and_repeated(
    client: Client,
    admin: Headers,
    new_coupon: NewCoupon,
    claim: Callable[..., Any],
    finish: Callable[[int, int], None],
    erase: Callable[[int], Any],
) -> None:
    """By its address, and by erasing again."""
    coupon_id = new_coupon()
    claim(coupon_id, USER)
    finish(coupon_id, USER)
    erased = erase(USER)

    assert client.get(erased.headers["Location"], headers=admin).get_json() == erased.get_json()
    assert erase(USER).get_json() == erased.get_json()
    none = client.get(f"/erasures/{uuid4()}", headers=admin)
    assert is_problem(none, 404, "not-found")


def test_what_is_in_flight_is_not_erased(
    new_coupon: NewCoupon, claim: Callable[..., Any], erase: Callable[[int], Any]
) -> None:
    """409, and when to try again."""
    claim(new_coupon(), USER)

    refused = erase(USER)

    assert is_problem(refused, 409, "user-in-flight")
    assert refused.headers["Retry-After"] in RETRY_AFTER


def test_one_erasure_runs_at_a_time(database: Database, erase: Callable[[int], Any]) -> None:
    """It may take long, and holds a connection: the next one is told to try again."""
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("LOCK TABLE coupon_expiry_walk")
        first = pool.submit(erase, USER)
        eventually(lambda: waiters(database) == 1, what="the erasure waits")

        assert is_problem(erase(USER + 1), 503, "overloaded")

        owner.rollback()
        assert first.result().status_code == 200
    assert erase(USER + 1).status_code == 200


def test_only_administrators_erase(client: Client, bearer: Bearer) -> None:
    """Not even the user: whoever runs the shop decides what has to go."""
    for scopes in ((), ("coupon:ops",), ("coupon:redeem",)):
        refused = client.post(f"/users/{USER}/erasures", headers=bearer(USER, *scopes))
        assert is_problem(refused, 403, "insufficient-scope")
        refused = client.get(f"/erasures/{uuid4()}", headers=bearer(USER, *scopes))
        assert is_problem(refused, 403, "insufficient-scope")


def test_ids_that_replace_users_belong_to_nobody(
    client: Client, bearer: Bearer, erase: Callable[[int], Any]
) -> None:
    """There is no path for them, and no token: whoever has one could use what was erased."""
    assert is_problem(erase(FIRST_ERASED_ID), 404, "not-found")
    assert erase(FIRST_ERASED_ID - 1).status_code == 200
    refused = client.get("/users/me/coupons", headers=bearer(FIRST_ERASED_ID))
    assert is_problem(refused, 401, "unauthenticated")
    last = client.get("/users/me/coupons", headers=bearer(FIRST_REHEARSAL_ID - 1))
    assert last.status_code == 200


def test_without_redis_the_answer_says_so_and_repeating_ends_it(
    redis_link: Link,
    new_coupon: NewCoupon,
    claim: Callable[..., Any],
    finish: Callable[[int, int], None],
    erase: Callable[[int], Any],
    database: Database,
) -> None:
    """Nothing is erased when Redis is down from the beginning."""
    coupon_id = new_coupon()
    claim(coupon_id, USER)
    finish(coupon_id, USER)
    redis_link.cut()

    assert is_problem(erase(USER), 503, "gate-unavailable")

    assert as_owner(database, "SELECT FROM erasure") == []
    redis_link.restore()
    assert erase(USER).get_json()["counts"]["issued_coupon"] == 1
