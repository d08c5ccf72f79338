"""An issued coupon over HTTP, its user, a till, and calls that change it."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from api import issued_schemas
from coupons.ids import request_id
from tests.api.test_description import conforms
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import issue, set_terms

Headers = dict[str, str]
Post = Callable[..., Any]

USER, OTHER, TILL = 42, 43, 900
ORDER, OTHER_ORDER = {"order_reference": "A-1"}, {"order_reference": "B-1"}
REASON = {"reason": "fraud"}
NOBODY_HAS = "/issued-coupons/00000000-0000-8002-8000-000000000001"
ACTIONS = {"use": ORDER, "cancel-use": ORDER, "revoke": REASON}


@pytest.fixture
def path(new_coupon: NewCoupon, database: Database) -> str:
    """Of the coupon that USER has; it is valid for a day."""
    coupon_id = new_coupon(name="Noon sale")
    set_terms(database, coupon_id, days=1)
    issue(database, (coupon_id, USER))
    return f"/issued-coupons/{request_id(coupon_id, USER)}"


@pytest.fixture
def user(bearer: Bearer) -> Headers:
    return bearer(USER)


@pytest.fixture
def till(bearer: Bearer) -> Headers:
    return bearer(TILL, ["coupon:redeem"])


@pytest.fixture
def post(client: Client) -> Post:
    """POST to a path below the coupon's: post(path, "use", headers, body)."""

    def call(path: str, action: str, headers: Headers, body: object = None) -> Any:
        body = ACTIONS[action] if body is None else body
        return client.post(f"{path}/{action}", json=body, headers=headers)

    return call


def changes(client: Client, path: str, headers: Headers) -> list[dict[str, Any]]:
    page = client.get(f"{path}/changes", headers=headers).get_json()
    conforms(issued_schemas.ChangePage, page)
    items: list[dict[str, Any]] = page["items"]
    return items
