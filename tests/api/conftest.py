"""What tests of the API share: an issued coupon, its user, a till; and an API with rate limits."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from api import issued_schemas
from api.bootstrap import build_api
from api.settings import ApiSettings
from coupons.ids import request_id
from tests.api.limited_claims import HERE, Claim, Limited
from tests.api.test_description import conforms
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import issue, set_terms
from tests.support.serving import served

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


@pytest.fixture
def limited(settings: ApiSettings, new_coupon: NewCoupon, bearer: Bearer) -> Iterator[Limited]:
    """Starts an API with these settings, and a coupon 7."""
    new_coupon(id=7)
    with ExitStack() as apis:

        def start(**changed: str) -> Claim:
            api = apis.enter_context(closing(build_api(settings.model_copy(update=changed))))
            client = Client(apis.enter_context(served(api.app)))

            def claim(
                user_id: int, address: str = HERE, query: str = "", **headers: str
            ) -> TestResponse:
                return client.post(
                    f"/coupons/7/issue-requests{query}",
                    headers={**bearer(user_id), **headers},
                    environ_base={"REMOTE_ADDR": address},
                )

            return claim

        yield start


def changes(client: Client, path: str, headers: Headers) -> list[dict[str, Any]]:
    page = client.get(f"{path}/changes", headers=headers).get_json()
    conforms(issued_schemas.ChangePage, page)
    items: list[dict[str, Any]] = page["items"]
    return items
