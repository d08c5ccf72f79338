"""The id of a request holds its coupon and its user, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupons.ids import MAX_COUPON_ID, MAX_USER_ID, parse_request_id, request_id, request_id_text

coupon_ids = st.integers(1, MAX_COUPON_ID)
user_ids = st.integers(1, MAX_USER_ID)


@given(coupon_ids, user_ids)
def test_an_id_leads_back_to_its_coupon_and_user(coupon_id: int, user_id: int) -> None:
    assert parse_request_id(str(request_id(coupon_id, user_id))) == (coupon_id, user_id)


@given(coupon_ids, user_ids)
def test_an_id_is_a_uuid_of_version_8(coupon_id: int, user_id: int) -> None:
    uuid = request_id(coupon_id, user_id)
    assert uuid.version == 8
    assert uuid.variant == "specified in RFC 4122"


@given(coupon_ids, user_ids)
def test_its_text_is_that_of_the_uuid(coupon_id: int, user_id: int) -> None:
    assert request_id_text(coupon_id, user_id) == str(request_id(coupon_id, user_id))


@pytest.mark.parametrize(
    ("coupon_id", "user_id"), [(0, 1), (1, 0), (2**59, 1), (1, 2**63), (-1, 1)]
)
def test_ids_out_of_range_are_refused(coupon_id: int, user_id: int) -> None:
    with pytest.raises(ValueError, match="is not between"):
        request_id(coupon_id, user_id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "not-a-uuid",
        "00000000-0000-4000-8000-000000000001",
        "00000000-0000-8000-8000-000000000001",
    ],
)
def test_other_texts_are_not_ids_of_requests(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_request_id(text)
