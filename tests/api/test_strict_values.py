"""What is accepted is read back as it was sent, by every reader."""

import psycopg
from werkzeug.test import Client

from tests.support.databases import Database

Headers = dict[str, str]
GOOD = {"name": "x", "total_quantity": 1}

TIMES = [
    ("2026-12-31T09:00:00Z", "2026-12-31T09:00:00.000000Z"),
    ("2026-12-31t09:00:00z", "2026-12-31T09:00:00.000000Z"),
    ("2026-12-31T09:00:00-00:00", "2026-12-31T09:00:00.000000Z"),
    ("2026-12-31T09:00:00.000001+23:59", "2026-12-30T09:01:00.000001Z"),
    ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00.000000Z"),
    ("9999-12-30T23:59:59.999998Z", "9999-12-30T23:59:59.999998Z"),
]
NAMES = [
    "쿠폰 10% 할인",
    "קופון של חג",
    "قسيمة\u200f 10",
    "می\u200cخواهم",
    "👩‍👩‍👧 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f ☀\ufe0f",
    "e\u0301té",
    "🫩",
    "x" * 200,
]


def test_a_time_is_kept_to_the_microsecond(client: Client, admin: Headers) -> None:
    for sent, kept in TIMES:
        made = client.post("/coupons", json={**GOOD, "issue_starts_at": sent}, headers=admin)
        assert made.status_code == 201, made.text
        read = client.get(made.headers["Location"], headers=admin)
        assert read.get_json()["issue_starts_at"] == kept


def test_an_ordinary_name_in_any_script_is_kept_as_it_is(client: Client, admin: Headers) -> None:
    for name in NAMES:
        made = client.post("/coupons", json={**GOOD, "name": name}, headers=admin)
        assert made.status_code == 201, made.text
        assert client.get(made.headers["Location"], headers=admin).get_json()["name"] == name


def test_a_time_that_no_reader_could_read_leaves_no_row(
    client: Client, admin: Headers, database: Database
) -> None:
    for time in ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "20261231"):
        for field in ("issue_starts_at", "issue_ends_at"):
            answer = client.post("/coupons", json={**GOOD, field: time}, headers=admin)
            assert answer.status_code == 422, answer.text
            assert [error["field"] for error in answer.get_json()["errors"]] == [field]
    with psycopg.connect(database.url("coupon_ops")) as connection:
        assert connection.execute("SELECT count(*) FROM coupon").fetchone() == (0,)


def test_an_id_goes_in_as_number_or_string_and_comes_out_as_string(
    client: Client, admin: Headers
) -> None:
    """An id goes in as a number or as a string and comes out as a string."""
    for coupon_id in (2**53 + 1, str(2**53 + 3)):
        made = client.post("/coupons", json={**GOOD, "id": coupon_id}, headers=admin)
        assert made.get_json()["id"] == str(coupon_id)
        claimed = client.post(f"/coupons/{coupon_id}/issue-requests", headers=admin)
        assert (claimed.get_json()["coupon_id"], claimed.get_json()["user_id"]) == (
            str(coupon_id),
            "1",
        )
