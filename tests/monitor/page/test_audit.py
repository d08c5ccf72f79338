"""The audit trail on the page: the newest first, page by page."""

import psycopg

from tests.monitor.page.conftest import Served
from tests.monitor.page.words import text_of
from tests.support.databases import Database

EVIL = "<script>alert(1)</script>"


def test_it_names_who_did_what_page_by_page(served: Served, database: Database) -> None:
    operator = served.operator()
    assert "Nothing was done yet" in operator.get("/audit").text
    with psycopg.connect(database.url("coupon_ops")) as ops:
        for number in range(60):
            ops.execute(
                "INSERT INTO operator_action (acted_by, action, coupon_id, result, detail)"
                " VALUES (%s, 'rebuild gate', 7, 'done', %s)",
                [EVIL, f"number {number:02} {EVIL * 100}"],
            )
        ops.execute(
            "INSERT INTO dead_letter_action (acted_by, action, result, letter_partition,"
            " letter_offset, set_aside_at, record_topic, record_partition, record_offset,"
            " coupon_id, user_id) VALUES ('bea', 'replay', 'written', 3, 9, now(), 't', 0, 0, 7, 8)"
        )
    first = operator.get("/audit")
    assert "bea coupon_ops replay dead letter 3:9 , user 8, coupon 7 written" in text_of(first)
    assert "number 59" in first.text
    assert "number 10" not in first.text
    assert EVIL not in first.text
    assert len(first.text.encode()) < 80 * 1_024
    cursor = first.text.split('href="/audit?before=')[1].split('"')[0]
    older = operator.get(f"/audit?before={cursor}")
    assert "number 10" in older.text
    assert "number 11" not in older.text
    assert "Older" not in older.text


def test_a_cursor_that_was_made_up_is_refused(served: Served) -> None:
    answer = served.operator().get("/audit?before=x")
    assert (answer.status, "not an address that the page made" in answer.text) == (400, True)
