"""The API in this process, over a real Redis-compatible server and a real Postgres."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from werkzeug.test import Client

from api import ledger_connections
from api.bootstrap import Api, build_api
from api.routes.health import Readiness
from api.settings import ApiSettings
from chaos.link import Link
from coupons.gate import connect_gate
from coupons.ledger import connection
from coupons.ledger.connection import ledger_pool
from coupons.receipts import new_private_key
from coupons.tokens import SCOPES, mint_token
from stack.ports import free_ports
from tests.support.api_process import ADMIN, Bearer, Server, running
from tests.support.databases import Database
from tests.support.serving import served

SECRET = "a-secret-of-the-tests-only-32-bytes"
RETRY_AFTER = {"1", "2", "3"}
"""Whichever of these: they are drawn at random."""

ANY_VERSION = {"If-Match": "*"}
"""A change of a coupon whichever version it has."""

NewCoupon = Callable[..., int]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "jwt.key"
    file.write_text(f"{SECRET}\n")
    return file


@pytest.fixture
def receipt_key_file(tmp_path: Path) -> Path:
    file = tmp_path / "receipt.pem"
    file.write_text(new_private_key())
    return file


@pytest.fixture
def redis_link(valkey_url: str) -> Iterator[Link]:
    with closing(Link(valkey_url)) as link:
        yield link


@pytest.fixture
def postgres_link(database: Database) -> Iterator[Link]:
    with closing(Link(database.url("coupon_api"))) as link:
        yield link


@pytest.fixture
def write_seconds() -> dict[str, Any]:
    """Settings: for how long the API waits for its writes."""
    return {"api_unknown_outcome_seconds": 1.0}


@pytest.fixture
def patient_writes(write_seconds: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """They wait for as long as a slow machine needs for what a test does meanwhile.

    For `usefixtures`, which come first: the API is made with these settings.
    """
    write_seconds.update(api_unknown_outcome_seconds=60.0, api_claim_deadline_seconds=60.0)
    monkeypatch.setattr(ledger_connections, "ANSWER_TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr(connection, "STATEMENT_TIMEOUT_MS", 60_000)


@pytest.fixture
def settings(
    redis_link: Link,
    postgres_link: Link,
    key_file: Path,
    receipt_key_file: Path,
    write_seconds: dict[str, Any],
) -> ApiSettings:
    return ApiSettings(
        database_url=SecretStr(postgres_link.url),
        redis_url=SecretStr(redis_link.url),
        jwt_key_file=key_file,
        receipt_key_file=receipt_key_file,
        api_max_waiters=3,
        **write_seconds,
    )


@pytest.fixture
def readiness(settings: ApiSettings) -> Iterator[Readiness]:
    """What the management address answers from; the API's own workers answer."""
    gate = connect_gate(settings.redis_url.get_secret_value())
    with closing(ledger_pool(settings.database_url.get_secret_value(), "test", 1, 2.0)) as pool:
        yield Readiness(gate, pool, lambda: None)


@pytest.fixture
def api(settings: ApiSettings) -> Iterator[Api]:
    with closing(build_api(settings)) as api:
        yield api


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with served(api.app) as wsgi:
        yield Client(wsgi)


@pytest.fixture
def bearer() -> Bearer:
    """Headers that speak for a user: bearer(42), bearer(42, scopes=[...], groups=[...])."""

    def headers(user_id: int, scopes: tuple[str, ...] = SCOPES[:1], **more: Any) -> dict[str, str]:
        token = mint_token(SECRET, user_id, scopes, more.pop("expires_seconds", 600), **more)
        return {"Authorization": f"Bearer {token}"}

    return headers


@pytest.fixture
def admin(bearer: Bearer) -> dict[str, str]:
    return bearer(ADMIN, SCOPES)


@pytest.fixture
def new_coupon(client: Client, admin: dict[str, str]) -> NewCoupon:
    """Creates a coupon through the API and returns its id."""

    def make(**fields: Any) -> int:
        body = {"name": "of a test", "total_quantity": 100, **fields}
        answer = client.post("/coupons", json=body, headers=admin)
        assert answer.status_code == 201, answer.text
        return int(answer.get_json()["id"])

    return make


@pytest.fixture
def claim(client: Client, bearer: Bearer) -> Callable[..., Any]:
    """Claims a coupon for a user."""

    def claim_one(coupon_id: int, user_id: int, **more: Any) -> Any:
        return client.post(f"/coupons/{coupon_id}/issue-requests", headers=bearer(user_id, **more))

    return claim_one


@pytest.fixture
def rows(database: Database) -> Callable[[int], int]:
    """How many requests of a coupon are committed."""

    def count(coupon_id: int) -> int:
        with psycopg.connect(database.url("coupon_owner")) as connection:
            found = connection.execute(
                "SELECT count(*) FROM coupon_issue_request WHERE coupon_id = %s", [coupon_id]
            ).fetchone()
        assert found is not None
        return int(found[0])

    return count


@pytest.fixture
def environment(redis_link: Link, postgres_link: Link, key_file: Path) -> dict[str, str]:
    ports = free_ports(["api", "management"])
    return {
        **os.environ,
        "COUPON_DATABASE_URL": postgres_link.url,
        "COUPON_REDIS_URL": redis_link.url,
        "COUPON_JWT_KEY_FILE": str(key_file),
        "COUPON_API_PORT": str(ports["api"]),
        "COUPON_API_MANAGEMENT_PORT": str(ports["management"]),
        "COUPON_API_WORKERS": "2",
    }


@pytest.fixture
def server(environment: dict[str, str], bearer: Bearer) -> Iterator[Server]:
    with running(environment, bearer) as server:
        yield server
