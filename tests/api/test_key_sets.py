"""The API verifies tokens by the key sets of their issuers, and says when it cannot."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pydantic import SecretStr
from werkzeug.test import Client

from api.bootstrap import build_api
from api.routes.health import Readiness
from api.settings import ApiSettings
from coupons.gate import connect_gate
from coupons.ledger.connection import ledger_pool
from coupons.process import rotating_keys
from coupons.process.token_keys import load_verifier
from coupons.waiting import eventually
from tests.support.api import RETRY_AFTER, NewCoupon
from tests.support.issuers import Issuer, Key, issuer, key_set
from tests.support.serving import served

ISSUER = "https://issuer.example"
KEY, NEW = Key("first"), Key("second", "ES256")


@pytest.fixture
def server() -> Iterator[Issuer]:
    with issuer(KEY) as server:
        yield server


@pytest.fixture
def of_key_sets(
    settings: ApiSettings, server: Issuer, monkeypatch: pytest.MonkeyPatch
) -> ApiSettings:
    """Settings of an API that reads the server's key set, at once when it has to."""
    monkeypatch.setattr(rotating_keys, "AGAIN_SECONDS", 0.02)
    sources = SecretStr(f"{ISSUER}={server.url}")
    return settings.model_copy(update={"jwt_key_file": None, "jwt_key_sets": sources})


@pytest.fixture
def by_key_set(of_key_sets: ApiSettings, new_coupon: NewCoupon) -> Iterator[Any]:
    """Claims a new coupon with a token at such an API."""
    coupon_id = new_coupon()
    with closing(build_api(of_key_sets)) as api, served(api.app) as wsgi:
        client = Client(wsgi)

        def claim(token: str, path: str = f"/coupons/{coupon_id}/issue-requests") -> Any:
            return client.post(path, headers={"Authorization": f"Bearer {token}"})

        yield claim


def test_a_claim_is_accepted_by_a_key_of_the_set(by_key_set: Any, server: Issuer) -> None:
    """Of the old key and, after a rotation without restart, of the new one."""
    assert by_key_set(KEY.token(ISSUER, 1)).status_code == 202
    assert by_key_set(NEW.token(ISSUER, 2)).status_code in (401, 503)
    server.body = key_set(NEW, KEY)
    token = NEW.token(ISSUER, 3)
    eventually(lambda: by_key_set(token).status_code in (200, 202), 10, "the new key is known")
    assert by_key_set(KEY.token(ISSUER, 4)).status_code == 202
    assert by_key_set(KEY.token("https://other.example", 5)).status_code == 401


def test_tokens_get_503_while_there_are_no_keys(
    of_key_sets: ApiSettings, server: Issuer, by_key_set: Any
) -> None:
    """Not 401: then every client would get a new token, and be refused again."""
    server.status = 500
    with closing(build_api(of_key_sets)) as api, served(api.app) as wsgi:
        client = Client(wsgi)
        for method, path in (("POST", "/coupons/1/issue-requests"), ("GET", "/users/me/coupons")):
            headers = {"Authorization": f"Bearer {KEY.token(ISSUER)}"}
            answer: Any = client.open(path, method=method, headers=headers)
            assert answer.status_code == 503
            assert answer.json["type"] == "urn:coupon-cdc:problem:keys-unavailable"
            assert answer.headers["Retry-After"] in RETRY_AFTER
        assert client.get("/users/me/coupons").status_code == 401
        assert client.get("/healthz").status_code == 200


def test_readiness_names_keys_that_cannot_be_read(of_key_sets: ApiSettings, server: Issuer) -> None:
    """503 while no issuer has keys; ready when one has."""
    url = of_key_sets.database_url.get_secret_value()
    gate = connect_gate(of_key_sets.redis_url.get_secret_value())
    server.status = 500
    with (
        closing(ledger_pool(url, "test", 1, 2.0)) as pool,
        closing(load_verifier(of_key_sets)) as verifier,
    ):
        readiness = Readiness(gate, pool, lambda: None, verifier.check)
        status, states = readiness.check()
        assert status == 503
        assert "500" in states["keys"]
        server.status = 200
        eventually(lambda: readiness.check()[1]["keys"] == "ready", 10, "the keys are read")


def test_a_key_file_has_no_state_of_keys(readiness: Readiness) -> None:
    """It was read at the start, so there is nothing to say of it."""
    assert "keys" not in readiness.check()[1]
