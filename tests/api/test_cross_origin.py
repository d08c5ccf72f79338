"""Pages of other origins: which may call the API from a browser, and what every response has."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pydantic import ValidationError
from werkzeug.test import Client, TestResponse

from api.bootstrap import build_api
from api.settings import ApiSettings
from tests.support.api import NewCoupon
from tests.support.serving import served

SHOP, STRANGER = "https://shop.example", "https://elsewhere.example"
Headers = dict[str, str]


@pytest.fixture
def shop_client(settings: ApiSettings) -> Iterator[Client]:
    """Of an API that pages of the shop may call."""
    changed = settings.model_copy(update={"api_origins": f"{SHOP}, http://localhost:3000"})
    with closing(build_api(changed)) as api, served(api.app) as wsgi:
        yield Client(wsgi)


def _ask(client: Client, origin: str) -> TestResponse:
    """What a browser asks before a page of that origin may claim."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return client.open("/coupons/7/issue-requests", method="OPTIONS", headers=asked)


def test_a_page_of_the_shop_may_claim(
    shop_client: Client, new_coupon: NewCoupon, admin: Headers
) -> None:
    """The browser asks without a token, then claims; the page may read what it needs."""
    asked = _ask(shop_client, SHOP)
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Origin"] == SHOP
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"]
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    path = f"/coupons/{new_coupon()}/issue-requests"
    claimed = shop_client.post(path, headers={**admin, "Origin": SHOP})
    assert claimed.status_code == 202
    assert claimed.headers["Access-Control-Allow-Origin"] == SHOP
    assert "location" in claimed.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in claimed.headers


def test_a_problem_can_be_read_by_the_page_too(shop_client: Client) -> None:
    refused = shop_client.get("/users/me/coupons", headers={"Origin": SHOP})
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == SHOP


@pytest.mark.parametrize("origin", [STRANGER, "null", f"{SHOP}.evil.example", SHOP.upper(), ""])
def test_pages_of_other_origins_are_not_let_in(shop_client: Client, origin: str) -> None:
    """Nor may a cache give them what a page of the shop got."""
    asked = _ask(shop_client, origin)
    read = shop_client.get("/healthz", headers={"Origin": origin})
    for response in (asked, read):
        assert response.headers["Vary"] == "origin"
        assert not [
            name for name, _ in response.headers if name.lower().startswith("access-control")
        ]


def test_without_the_setting_no_page_is_let_in(client: Client) -> None:
    """A question of a browser is a request like any other."""
    asked = _ask(client, SHOP)
    assert asked.status_code == 200
    assert not [name for name, _ in asked.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "wrong",
    ["shop.example", "https://shop.example/", "https://*", f"*,{SHOP}", "https://Shop.example"],
)
def test_what_is_no_origin_is_refused_at_the_start(settings: ApiSettings, wrong: str) -> None:
    values: dict[str, Any] = {**settings.model_dump(), "api_origins": wrong}
    with pytest.raises(ValidationError, match="is no origin"):
        ApiSettings(**values)


@pytest.mark.parametrize("path", ["/healthz", "/users/me/coupons", "/nothing"])
def test_no_response_is_cached_or_taken_for_a_page(
    client: Client, admin: Headers, path: str
) -> None:
    for headers in ({}, admin):
        response = client.get(path, headers=headers)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
