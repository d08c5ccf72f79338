"""Calls about codes over HTTP, and coupons that users have."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from api.problems import TYPE_PREFIX
from coupons.ids import request_id
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import issue

Claim = Callable[..., Any]
Headers = dict[str, str]
TILL = ("coupon:redeem",)


def kind_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["type"].removeprefix(TYPE_PREFIX)


class Codes:
    """Calls about codes."""

    def __init__(self, client: Client, admin: Headers, bearer: Bearer) -> None:
        self.client, self.admin, self.bearer = client, admin, bearer

    def choose(self, coupon_id: int, kind: Any, headers: Headers | None = None) -> Any:
        path = f"/coupons/{coupon_id}/codes"
        return self.client.put(path, json={"kind": kind}, headers=headers or self.admin)

    def read(self, coupon_id: int) -> Any:
        return self.client.get(f"/coupons/{coupon_id}/codes", headers=self.admin).json

    def upload(self, coupon_id: int, file: bytes, kind: str = "text/plain", **more: Any) -> Any:
        path = f"/coupons/{coupon_id}/codes/pool"
        return self.client.post(path, data=file, content_type=kind, headers=self.admin, **more)

    def ask(self, coupon_id: int, user: int, by: int | None = None) -> Any:
        path = f"/issued-coupons/{request_id(coupon_id, user)}/code"
        return self.client.post(path, headers=self.bearer(by or user))

    def find(self, code: str, scopes: tuple[str, ...] = TILL) -> Any:
        return self.client.get(f"/codes/{code}", headers=self.bearer(9, scopes))


@pytest.fixture
def codes(client: Client, admin: Headers, bearer: Bearer) -> Codes:
    return Codes(client, admin, bearer)


@pytest.fixture
def issued(new_coupon: NewCoupon, claim: Claim, database: Database) -> Callable[..., int]:
    """A coupon that these users have."""

    def make(*users: int, **fields: Any) -> int:
        coupon_id = new_coupon(**fields)
        for user in users:
            claim(coupon_id, user)
        issue(database, *((coupon_id, user) for user in users))
        return coupon_id

    return make
