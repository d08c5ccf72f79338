"""The user's own coupons, a page at a time."""

from collections.abc import Callable
from typing import Any

from werkzeug.test import Client

from coupons.ids import request_id
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer
from tests.support.databases import Database
from tests.support.issued import issue

Claim = Callable[..., Any]


def pages(client: Client, headers: dict[str, str], page_size: int) -> list[list[Any]]:
    found, cursor = [], ""
    while True:
        page = client.get(
            f"/users/me/coupons?page_size={page_size}{cursor}", headers=headers
        ).get_json()
        found.append(page["items"])
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def test_pages_together_are_every_coupon_once_newest_first(
    new_coupon: NewCoupon,
    claim: Claim,
    client: Client,
    bearer: Bearer,
    database: Database,
) -> None:
    coupon_ids = [new_coupon(name=f"number {n}") for n in range(7)]
    for coupon_id in coupon_ids:
        claim(coupon_id, 1)
        claim(coupon_id, 2)
    for group in (coupon_ids[:3], coupon_ids[3:]):
        issue(database, *((coupon_id, 1) for coupon_id in group))
    issue(database, (coupon_ids[0], 2))
    for page_size, sizes in ((3, [3, 3, 1]), (7, [7]), (100, [7])):
        found = pages(client, bearer(1), page_size)
        assert [len(page) for page in found] == sizes
        items = [item for page in found for item in page]
        assert sorted(int(item["coupon_id"]) for item in items) == sorted(coupon_ids)
        moments = [item["issued_at"] for item in items]
        assert moments == sorted(moments, reverse=True)
    assert items[-1]["id"] == str(request_id(int(items[-1]["coupon_id"]), 1))
    assert items[-1]["coupon_name"].startswith("number ")
    [[only]] = pages(client, bearer(2), 20)
    assert only["coupon_id"] == str(coupon_ids[0])


def test_who_has_none_gets_an_empty_page(client: Client, bearer: Bearer) -> None:
    answer = client.get("/users/me/coupons", headers=bearer(9))
    assert answer.json == {"items": [], "next_cursor": None}
