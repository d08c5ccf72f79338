"""What is accepted is in the one form that is promised; read without a server."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from api.bodies import CouponChange, NewCoupon
from api.problems import Problem
from api.queries import PageQuery, StatusQuery

GOOD = {"name": "x", "total_quantity": 1}


def created(**fields: Any) -> NewCoupon:
    return NewCoupon.model_validate_json(json.dumps({**GOOD, **fields}))


def changed(**fields: Any) -> CouponChange:
    return CouponChange.model_validate_json(json.dumps(fields))


def refused(read: Callable[..., object], field: str, value: object) -> str:
    """The message on a field that was refused."""
    with pytest.raises(ValidationError) as caught:
        read(**{field: value})
    messages = [each["msg"] for each in caught.value.errors() if each["loc"][0] == field]
    return messages[0]


@pytest.mark.parametrize(
    "time",
    [
        "20261231",
        "1700000000",
        "1_700_000_000",
        "2026-12-31",
        "2026-12-31 09:00:00Z",
        "2026-12-31T09:00:00",
        "2026-12-31T09:00Z",
        "2026-12-31T09:00:00+0100",
        "2026-12-31T09:00:00+01",
        "2026-12-31T09:00:00+24:00",
        "2026-12-31T09:00:00\u221201:00",
        "2026-12-31T09:00:00.Z",
        "2026-12-31T09:00:00,5Z",
        "2026-12-31T09:00:00.1234567Z",
        "2026-12-31T24:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-02-30T00:00:00Z",
        "2026-W53-4T00:00:00Z",
        "２０２６-12-31T09:00:00Z",
        " 2026-12-31T09:00:00Z",
        "2026-12-31T09:00:00Z\n",
        "+2026-12-31T09:00:00Z",
        "12026-12-31T09:00:00Z",
        "P1D",
        "infinity",
        "",
    ],
)
@pytest.mark.parametrize("field", ["issue_starts_at", "issue_ends_at"])
@pytest.mark.parametrize("read", [created, changed])
def test_a_time_is_rfc_3339_or_refused(read: Callable[..., object], field: str, time: str) -> None:
    assert refused(read, field, time)


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00+01:00",
        "0001-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "1999-12-31T23:59:59.999999Z",
        "2000-01-01T00:00:00+00:01",
        "9999-12-31T00:00:00Z",
        "9999-12-30T23:59:59-00:01",
        "9999-12-31T23:59:59-01:00",
    ],
)
@pytest.mark.parametrize("field", ["issue_starts_at", "issue_ends_at"])
@pytest.mark.parametrize("read", [created, changed])
def test_a_time_that_a_reader_could_not_read_is_refused(
    read: Callable[..., object], field: str, time: str
) -> None:
    assert refused(read, field, time)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (" ", "visible"),
        ("\u200b\u200d\ufeff", "visible"),
        ("\u200e\u200f\u061c", "visible"),
        ("\u0301", "visible"),
        ("\u3164\u115f\u2800", "visible"),
        ("\U000e0041", "visible"),
        ("a\x00", "U+0000 is a control character"),
        ("a\x1b[31m", "U+001B is a control character"),
        ("a\x9b31m", "U+009B is a control character"),
        ("a\nb", "U+000A is a control character"),
        ("a\u2028b", "U+2028 is a control character"),
        ("a\uffff", "U+FFFF is a control character"),
        ("a\u202eb", "U+202E reorders the text"),
        ("\u2066a\u2069", "U+2066 reorders the text"),
    ],
)
@pytest.mark.parametrize("read", [created, changed])
def test_a_name_that_shows_nothing_or_controls_a_display_is_refused(
    read: Callable[..., object], name: str, why: str
) -> None:
    assert why in refused(read, "name", name)


@pytest.mark.parametrize(
    "text",
    ["1_0", "+5", "-5", "\u22125", " 5", "5 ", "٥", "5e0", "0x5", "5.", ".5", "5.0.0", "true"],
)
def test_a_number_of_a_query_is_in_plain_digits(text: str) -> None:
    assert refused(lambda **query: StatusQuery.model_validate(query), "wait", text)
    assert refused(lambda **query: PageQuery.model_validate(query), "page_size", text)


def test_a_wait_may_have_all_digits_of_a_computed_number() -> None:
    """Clients compute what is left of their own deadline."""
    assert StatusQuery.model_validate({"wait": str(17.9 / 3)}).wait == 17.9 / 3


@pytest.mark.parametrize(
    "text",
    ["+1.1", "1_0.1", " 1.1", "1.1 ", "-1.1", "1.٣", "1.0", "1.01", "1.-1", f"1.{2**63}", "1"],
)
def test_a_cursor_is_one_that_was_given(text: str) -> None:
    page = PageQuery(cursor=urlsafe_b64encode(text.encode()).decode())
    with pytest.raises(Problem, match="Start without a cursor"):
        page.after()


@pytest.mark.parametrize(
    "coupon_id", ["0", "07", "+7", "7_0", " 7", "٧", "7.0", "-7", str(2**59), "", 7.0, True]
)
def test_an_id_in_a_body_is_a_number_or_its_plain_digits(coupon_id: object) -> None:
    assert refused(created, "id", coupon_id)


def test_the_message_on_an_id_names_the_leading_zero() -> None:
    assert "without a leading zero" in refused(created, "id", "007")
