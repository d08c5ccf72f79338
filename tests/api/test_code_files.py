"""Files of codes over HTTP: what they are, what is refused, and what stays out."""

from collections.abc import Callable

import psycopg
import pytest

from tests.support.api_codes import Codes, kind_of
from tests.support.databases import Database


@pytest.mark.parametrize(
    ("kind", "header", "added"),
    [
        ("text/csv", None, 3),
        ("text/csv; header=absent", None, 3),
        ("text/csv; charset=utf-8; header=present", "voucher", 2),
        ('text/csv; header="present"', "voucher", 2),
    ],
)
def test_the_header_of_a_file_is_left_out_and_named(
    codes: Codes, issued: Callable[..., int], kind: str, header: str | None, added: int
) -> None:
    coupon_id = issued()
    codes.choose(coupon_id, "pool")
    report = codes.upload(coupon_id, b"voucher\nA\nB\n", kind).json
    assert (report["header"], report["added"]) == (header, added)


@pytest.mark.parametrize("kind", ["text/csv; header=yes", "text/plain; header=present"])
def test_a_header_that_is_not_understood_adds_nothing(
    codes: Codes, issued: Callable[..., int], kind: str
) -> None:
    coupon_id = issued()
    codes.choose(coupon_id, "pool")
    assert kind_of(codes.upload(coupon_id, b"code\nA\n", kind)) == (415, "not-text")
    assert codes.read(coupon_id)["free"] == 0


def test_an_upload_beside_another_is_told_when_to_try_again(
    codes: Codes, issued: Callable[..., int], database: Database
) -> None:
    coupon_id = issued()
    codes.choose(coupon_id, "pool")
    with psycopg.connect(database.url("coupon_api")) as other:
        other.execute("SELECT begin_pool_upload(%s)", [coupon_id])
        answer = codes.upload(coupon_id, b"A\n")
    assert kind_of(answer) == (409, "codes-busy")
    assert 1 <= int(answer.headers["Retry-After"]) <= 3
    assert codes.upload(coupon_id, b"A\n").json["added"] == 1


@pytest.mark.parametrize(
    "kind", ["application/json", "application/octet-stream", "multipart/form-data", ""]
)
def test_a_file_of_another_kind_is_refused(
    codes: Codes, issued: Callable[..., int], kind: str
) -> None:
    coupon_id = issued()
    codes.choose(coupon_id, "pool")
    assert kind_of(codes.upload(coupon_id, b"A\n", kind)) == (415, "not-text")


def test_a_file_that_is_no_text_adds_nothing(codes: Codes, issued: Callable[..., int]) -> None:
    coupon_id = issued()
    codes.choose(coupon_id, "pool")
    report = codes.upload(coupon_id, bytes(range(256)) * 100).json
    assert report["added"] == 0
    assert report["refused"] == 101
    assert codes.upload(coupon_id, b"").json["refused"] == 0
    answer = codes.client.post(
        f"/coupons/{coupon_id}/codes/pool",
        data=b"\x1f\x8b",
        content_type="text/plain",
        headers={**codes.admin, "Content-Encoding": "gzip"},
    )
    assert kind_of(answer) == (415, "not-text")
