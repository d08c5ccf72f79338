"""Pools of codes: uploads that name what is wrong, and pools that are short."""

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from api.pool_lines import LineProblem, read_lines
from api.pool_uploads import upload_codes
from coupons.codes import CodeKind, make_code
from coupons.kafka.client import KafkaClient
from coupons.ledger.codes import (
    CannotUpload,
    CodesOutcome,
    CouponCodes,
    choose_codes,
    give_code,
    list_short_pools,
    pool_upload,
    read_codes,
)
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import change_coupon
from operations.doctor.codes import check_codes
from operations.doctor.findings import Level, Section
from operations.doctor.system import System
from tests.support.codes import WHO, upload
from tests.support.databases import Database


@pytest.mark.parametrize(
    "line",
    [b"GOODCODE" + b" " * 300 + b"TRAILING", b" " * 300 + b"KODE", b'"' + b" " * 300 + b'A"'],
)
def test_a_long_line_is_too_long_wherever_the_pieces_of_its_file_end(line: bytes) -> None:
    file = line + b"\nNEXT\n"
    for end in range(len(file)):
        found = list(read_lines([file[:end], file[end:]], True))
        assert found == [(1, LineProblem.TOO_LONG), (2, "NEXT")], end


def test_an_upload_names_each_line_that_is_wrong_and_adds_the_rest(
    coded_coupon: Callable[..., int], api: Connection, database: Database
) -> None:
    other = coded_coupon(CodeKind.POOL, "TAKEN-1")
    coupon_id = coded_coupon(CodeKind.POOL)
    lines = ["A-1", "", "taken 1", "a1", "B\x07", "x" * 65, make_code(), "B", "b-"]
    report = upload(api, coupon_id, lines)
    assert report.added == 2
    assert report.first == [
        (2, "empty"),
        (3, "already_there"),
        (4, "repeated"),
        (5, "wrong_character"),
        (6, "too_long"),
        (7, "looks_made"),
        (9, "repeated"),
    ]
    assert report.refused == {reason: 1 + (reason == "repeated") for _, reason in report.first}
    assert read_codes(api, coupon_id) == CouponCodes(CodeKind.POOL, 2_000, 2, 0)
    assert read_codes(api, other) == CouponCodes(CodeKind.POOL, 2_000, 1, 0)
    with psycopg.connect(database.url("coupon_owner")) as owner:
        noted = owner.execute("SELECT action, detail FROM operator_action ORDER BY action_id DESC")
        assert noted.fetchone() == ("upload codes", "2 codes")


def test_the_same_file_again_adds_nothing(
    coded_coupon: Callable[..., int], api: Connection
) -> None:
    """So that an upload whose answer was lost can be repeated. Batches make no difference."""
    lines = [f"C{n}" for n in range(9_001)]
    coupon_id = coded_coupon(CodeKind.POOL, *lines)
    again = upload(api, coupon_id, [*lines, "NEW", lines[0], "new"])
    assert again.added == 1
    assert again.refused == {"already_there": 9_002, "repeated": 1}
    assert len(again.first) == 20
    assert read_codes(api, coupon_id) == CouponCodes(CodeKind.POOL, 2_000, 9_002, 0)


def test_of_an_upload_that_ends_in_the_middle_nothing_is_there(
    coded_coupon: Callable[..., int], api: Connection
) -> None:
    coupon_id = coded_coupon(CodeKind.POOL)

    def cut() -> Iterator[tuple[int, str]]:
        yield from ((number, f"C{number}") for number in range(1, 9_000))
        raise ConnectionError

    with pytest.raises(ConnectionError):
        upload_codes(api, coupon_id, WHO, cut())
    assert read_codes(api, coupon_id) == CouponCodes(CodeKind.POOL, 2_000, 0, 0)
    assert choose_codes(api, coupon_id, CodeKind.MADE, WHO)[0] is CodesOutcome.DONE


def test_two_uploads_at_once_do_not_wait_for_each_other(
    coded_coupon: Callable[..., int], api: Connection, database: Database
) -> None:
    """To two coupons: with the same codes in another order each would wait for the other."""
    one, other = coded_coupon(CodeKind.POOL), coded_coupon(CodeKind.POOL)
    with (
        closing(connect_ledger(database.url("coupon_api"), "first")) as first,
        pool_upload(first, one, WHO) as uploading,
    ):
        assert uploading.add(["A"]) == []
        with pytest.raises(CannotUpload) as error:
            upload(api, other, ["B", "A"])
        assert error.value.outcome is CodesOutcome.BUSY
    assert upload(api, other, ["B", "A"]).added == 1


def test_one_upload_to_a_coupon_at_a_time(
    coded_coupon: Callable[..., int],
    issue_to: Callable[..., None],
    api: Connection,
    database: Database,
) -> None:
    """Codes that are there already are given meanwhile."""
    coupon_id, made = coded_coupon(CodeKind.POOL, "A"), coded_coupon(CodeKind.MADE)
    issue_to(coupon_id, [1])
    with (
        closing(connect_ledger(database.url("coupon_api"), "first")) as first,
        pool_upload(first, coupon_id, WHO) as uploading,
    ):
        assert uploading.add(["B"]) == []
        refused = {}
        for of in (coupon_id, made, 99):
            with pytest.raises(CannotUpload) as error:
                upload(api, of, ["C"])
            refused[of] = error.value.outcome
        assert choose_codes(api, coupon_id, CodeKind.MADE, WHO)[0] is CodesOutcome.EXIST
        assert choose_codes(api, coupon_id, CodeKind.POOL, WHO)[0] is CodesOutcome.DONE
        assert give_code(api, 1, coupon_id) == (CodesOutcome.DONE, "A")
    assert refused == {
        coupon_id: CodesOutcome.BUSY,
        made: CodesOutcome.OTHER_KIND,
        99: CodesOutcome.NOT_FOUND,
    }
    assert read_codes(api, coupon_id) == CouponCodes(CodeKind.POOL, 2_000, 2, 1)


def test_a_pool_that_is_short_is_listed_until_the_coupon_is_over(
    coded_coupon: Callable[..., int], api: Connection
) -> None:
    short, enough = (
        coded_coupon(CodeKind.POOL, "A", total=3),
        coded_coupon(CodeKind.POOL, "B", total=1),
    )
    coded_coupon(CodeKind.MADE)
    assert [each[:2] for each in list_short_pools(api)] == [(short, 2)]
    change_coupon(api, enough, total_quantity=5)
    assert [each[:2] for each in list_short_pools(api)] == [(short, 2), (enough, 4)]
    found = read_codes(api, enough)
    assert found is not None
    assert (found.free, found.missing) == (1, 4)
    for coupon_id in (short, enough):
        api.execute("UPDATE coupon SET state = 'closed' WHERE coupon_id = %s", [coupon_id])
    assert list_short_pools(api) == []


def test_the_doctor_names_a_pool_that_is_short_before_the_coupon_opens(
    coded_coupon: Callable[..., int], api: Connection, database: Database
) -> None:
    where = System(None, None, database.url("coupon_ops"), "", KafkaClient(""), "", "", "")
    coded_coupon(CodeKind.MADE)
    assert list(check_codes(where)) == [], "no pool is there to look at"
    coupon_id = coded_coupon(CodeKind.POOL, "A", total=3)
    api.execute("UPDATE coupon SET issue_starts_at = '2090-01-01T12:00Z'")
    [found] = check_codes(where)
    assert (found.level, found.section) == (Level.WARNING, Section.POOL_SHORT)
    assert (
        found.says == f"coupon {coupon_id} opens 2090-01-01 12:00 UTC, and its pool lacks 2 codes"
    )
    upload(api, coupon_id, ["B", "C"])
    assert [finding.level for finding in check_codes(where)] == [Level.OK]
