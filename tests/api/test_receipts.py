"""A receipt says of an issued coupon what is true now, to its user only, and for a short time."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb
from werkzeug.test import Client

from api.bootstrap import build_api
from api.settings import ApiSettings
from coupons.errors import ConfigurationError
from coupons.ids import request_id
from coupons.key_sets import parse_key_set
from coupons.process.settings import load_settings
from coupons.receipts import InvalidReceipt, new_private_key, read_receipt
from coupons.tokens import SCOPES
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import issue
from tests.support.serving import served

USER = 42
Claim = Callable[..., Any]


def change(database: Database, coupon_id: int, user_id: int, wanted: str) -> None:
    """Use or revoke an issued coupon, as a call of the API does."""
    reference, why = ("order 1", None) if wanted == "use" else (None, "of a test")
    with psycopg.connect(database.url("coupon_api")) as connection:
        row = connection.execute(
            "SELECT change_issued_coupon(%s, %s, %s, %s, %s, 'a test')",
            [user_id, coupon_id, wanted, reference, why],
        ).fetchone()
    assert row == ("done",)


@contextmanager
def api_with(settings: ApiSettings, **changed: Any) -> Iterator[Client]:
    """The API with other settings."""
    with closing(build_api(settings.model_copy(update=changed))) as api, served(api.app) as wsgi:
        yield Client(wsgi)


@pytest.fixture
def issued(new_coupon: NewCoupon, claim: Claim, database: Database) -> Callable[..., int]:
    """Issues a new coupon to USER, sets columns of it, and returns its id."""

    def make(**columns: Any) -> int:
        coupon_id = new_coupon(name="A tenth off")
        claim(coupon_id, USER)
        issue(database, (coupon_id, USER))
        with psycopg.connect(database.url("coupon_owner")) as connection:
            connection.execute("ALTER TABLE coupon DISABLE TRIGGER coupon_validity_only_grows")
            for name, value in columns.items():
                connection.execute(
                    sql.SQL("UPDATE coupon SET {} = %s WHERE coupon_id = %s").format(
                        sql.Identifier(name)
                    ),
                    [value, coupon_id],
                )
            connection.execute("ALTER TABLE coupon ENABLE TRIGGER coupon_validity_only_grows")
        return coupon_id

    return make


def ask(client: Client, coupon_id: int, headers: dict[str, str], user_id: int = USER) -> Any:
    path = f"/issued-coupons/{request_id(coupon_id, user_id)}/receipt"
    return client.get(path, headers=headers)


def claims_of(client: Client, receipt: str) -> dict[str, Any]:
    """What the receipt says to who has the published keys only."""
    keys = parse_key_set(client.get("/.well-known/jwks.json").data)
    return read_receipt(receipt, keys, "coupon-cdc")


def test_a_receipt_says_what_the_ledger_has(
    issued: Callable[..., int], client: Client, bearer: Bearer, settings: ApiSettings
) -> None:
    """It can be checked with the public keys alone, and nobody may keep a copy of it."""
    coupon_id = issued(discount=Jsonb({"percent": 10}), valid_for_days=7)
    answer = ask(client, coupon_id, bearer(USER))
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/jwt"
    assert answer.headers["Cache-Control"] == "no-store"
    claims = claims_of(client, answer.text)
    page: Any = client.get("/users/me/coupons", headers=bearer(USER)).get_json()
    own = page["items"][0]
    assert claims["sub"] == own["id"]
    assert (claims["coupon_id"], claims["coupon_name"]) == (str(coupon_id), "A tenth off")
    assert claims["issued_at"] == own["issued_at"]
    ends = datetime.fromisoformat(claims["expires_at"])
    assert ends == datetime.fromisoformat(claims["issued_at"]) + timedelta(days=7)
    assert claims["discount"] == {"percent": 10}
    assert claims["exp"] - claims["iat"] == settings.receipt_seconds
    assert abs(claims["iat"] - time.time()) < 60


def test_a_receipt_of_a_coupon_without_terms_says_so(
    issued: Callable[..., int], client: Client, bearer: Bearer
) -> None:
    """expires_at and discount are null."""
    claims = claims_of(client, ask(client, issued(), bearer(USER)).text)
    assert (claims["expires_at"], claims["discount"]) == (None, None)


def test_no_receipt_outlives_its_coupon(
    issued: Callable[..., int], client: Client, bearer: Bearer
) -> None:
    """A coupon that expires before the receipt's time is over ends it."""
    soon = datetime.now(UTC) + timedelta(seconds=100)
    claims = claims_of(client, ask(client, issued(valid_until=soon), bearer(USER)).text)
    assert claims["exp"] == int(soon.timestamp())


def test_only_its_user_gets_a_receipt(
    issued: Callable[..., int], client: Client, bearer: Bearer
) -> None:
    """Others cannot tell whether there is such a coupon, whatever their scopes are."""
    coupon_id = issued()
    for headers in (bearer(43), bearer(43, SCOPES)):
        answer = ask(client, coupon_id, headers)
        assert answer.status_code == 404
        assert answer.json["type"] == "urn:coupon-cdc:problem:not-found"
    assert ask(client, coupon_id + 1, bearer(USER)).status_code == 404
    assert ask(client, coupon_id, {}).status_code == 401


@pytest.mark.parametrize(
    "given", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-4fff-bfff-ffffffffffff"]
)
def test_an_id_of_no_issued_coupon_is_not_found(client: Client, bearer: Bearer, given: str) -> None:
    """Not an error of the API."""
    answer: Any = client.get(f"/issued-coupons/{given}/receipt", headers=bearer(USER))
    assert answer.status_code == 404
    assert answer.json["type"] == "urn:coupon-cdc:problem:not-found"


@pytest.mark.parametrize(("wanted", "name"), [("use", "used"), ("revoke", "revoked")])
def test_a_coupon_that_is_not_active_has_no_receipt(
    issued: Callable[..., int],
    client: Client,
    bearer: Bearer,
    database: Database,
    wanted: str,
    name: str,
) -> None:
    """The problem names the state."""
    coupon_id = issued()
    change(database, coupon_id, USER, wanted)
    answer = ask(client, coupon_id, bearer(USER))
    assert answer.status_code == 409
    assert answer.json["type"] == f"urn:coupon-cdc:problem:coupon-{name}"
    assert str(request_id(coupon_id, USER)) in answer.json["detail"]


def test_a_coupon_whose_time_is_over_has_no_receipt(
    issued: Callable[..., int], client: Client, bearer: Bearer
) -> None:
    """At once by time, although no sweep has written it."""
    coupon_id = issued(valid_until=datetime.now(UTC) - timedelta(seconds=1))
    answer = ask(client, coupon_id, bearer(USER))
    assert answer.status_code == 409
    assert answer.json["type"] == "urn:coupon-cdc:problem:coupon-expired"


def test_a_coupon_that_ends_within_this_second_has_none(
    issued: Callable[..., int], client: Client, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the API's clock, too: a receipt that is over when it is signed helps nobody."""
    soon = datetime.now(UTC) + timedelta(seconds=100)
    coupon_id = issued(valid_until=soon)
    monkeypatch.setattr("api.routes.receipts.time", lambda: soon.timestamp())
    headers = bearer(USER, expires_seconds=1000)
    answer = ask(client, coupon_id, headers)
    assert answer.json["type"] == "urn:coupon-cdc:problem:coupon-expired"


def test_an_api_without_a_key_signs_no_receipts(
    settings: ApiSettings, issued: Callable[..., int], bearer: Bearer
) -> None:
    """It says so by a problem of its own, and publishes no keys."""
    coupon_id = issued()
    with api_with(settings, receipt_key_file=None) as client:
        answer = ask(client, coupon_id, bearer(USER))
        assert answer.status_code == 404
        assert answer.json["type"] == "urn:coupon-cdc:problem:receipts-off"
        assert client.get("/.well-known/jwks.json").get_json() == {"keys": []}


def test_keys_rotate_without_a_gap(
    settings: ApiSettings, issued: Callable[..., int], bearer: Bearer, receipt_key_file: Path
) -> None:
    """Receipts of the old and of the new key are valid with the keys that were published before."""
    coupon_id, old = issued(), receipt_key_file.read_text()
    new = new_private_key()
    receipt_key_file.write_text(old + new)
    with api_with(settings) as client:
        answer: Any = client.get("/.well-known/jwks.json")
        assert answer.headers.getlist("Cache-Control") == ["public, max-age=300"]
        published = parse_key_set(answer.data)
        by_old = ask(client, coupon_id, bearer(USER)).text
        assert b'"d"' not in answer.data
    receipt_key_file.write_text(new + old)
    with api_with(settings) as client:
        by_new = ask(client, coupon_id, bearer(USER)).text
    for receipt in (by_old, by_new):
        assert read_receipt(receipt, published, "coupon-cdc")["coupon_id"] == str(coupon_id)
    receipt_key_file.write_text(new)
    with api_with(settings) as client:
        left = parse_key_set(client.get("/.well-known/jwks.json").data)
    with pytest.raises(InvalidReceipt, match="none of the keys"):
        read_receipt(by_old, left, "coupon-cdc")


@pytest.mark.parametrize("text", ["", "a secret", "-----BEGIN PRIVATE KEY-----\nx\n-----END"])
def test_a_wrong_file_of_keys_ends_the_start(
    environment: dict[str, str], tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the setting, and what makes a key."""
    file = tmp_path / "wrong.pem"
    file.write_text(text)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COUPON_RECEIPT_KEY_FILE", str(file))
    with pytest.raises(ConfigurationError, match=r"COUPON_RECEIPT_KEY_FILE.*coupon receipt key"):
        load_settings(ApiSettings)


def test_the_largest_receipt_is_accepted(
    issued: Callable[..., int], client: Client, bearer: Bearer
) -> None:
    """Whatever the terms' letters: the bound on a receipt's length is above what can be signed."""
    discount = {"a": "\N{CYRILLIC SMALL LETTER YA}" * 2_000}
    coupon_id = issued(discount=Jsonb(discount), name="\N{CYRILLIC SMALL LETTER YA}" * 200)
    claims = claims_of(client, ask(client, coupon_id, bearer(USER)).text)
    assert (claims["discount"], len(claims["coupon_name"])) == (discount, 200)
