"""A list goes on where it ended: after a lost answer, and in another run of the program."""

from pathlib import Path
from typing import Any

import pytest

from coupon_client import CouponClient, Refused, audience_calls
from tests.client.scripted_api import LOST, Answer, ScriptedApi, problem

AUDIENCE = {"kind": "list", "size": 3, "version": "1", "is_effective": True}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of three users, sent in parts of four bytes."""
    monkeypatch.setattr(audience_calls, "PART_BYTES", 4)
    file = tmp_path / "users.csv"
    file.write_bytes(b"11\n22\n33")
    return file


def at(offset: int) -> Answer:
    counts = {"lines": 0, "listed": 0, "refused": 0, "reasons": {}, "first_refused": []}
    return Answer(200, {"id": "u", "offset": offset, **counts})


def asked(api: ScriptedApi) -> list[tuple[Any, ...]]:
    return [
        (each.method, each.headers.get("Upload-Offset"), each.body)
        if each.method == "PATCH"
        else (each.method, each.path.rpartition("/")[2])
        for each in api.asked
    ]


def test_a_file_is_sent_in_parts(api: ScriptedApi, client: CouponClient, file: Path) -> None:
    seen: list[tuple[int, int]] = []
    api.answers = [at(0), at(4), at(8), Answer(200, AUDIENCE)]
    found = client.upload_audience(
        7, file, has_header=False, progress=lambda upload, size: seen.append((upload.offset, size))
    )
    assert asked(api) == [
        ("POST", "audience-uploads"),
        ("PATCH", "0", b"11\n2"),
        ("PATCH", "4", b"2\n33"),
        ("POST", "finish"),
    ]
    assert api.asked[1].headers["Content-Type"] == "text/csv; header=absent"
    assert (found.audience.size, found.audience.is_effective) == (3, True)
    assert seen == [(0, 8), (4, 8), (8, 8)]


def test_a_part_whose_answer_was_lost_is_not_sent_on(
    api: ScriptedApi, client: CouponClient, file: Path
) -> None:
    """It was taken, or some of it; the repetition is refused, and the upload says where it is."""
    refused = problem(409, "upload-offset")
    api.answers = [at(0), LOST, refused, at(2), at(6), at(8), Answer(200, AUDIENCE)]
    client.upload_audience(7, file)
    assert asked(api)[1:6] == [
        ("PATCH", "0", b"11\n2"),
        ("PATCH", "0", b"11\n2"),
        ("GET", "u"),
        ("PATCH", "2", b"\n22\n"),
        ("PATCH", "6", b"33"),
    ]


def test_an_upload_that_stays_where_it_is_ends(
    api: ScriptedApi, client: CouponClient, file: Path
) -> None:
    """An API that refuses each part is not asked for ever."""
    api.answers = [at(0), problem(409, "upload-offset"), at(0)]
    with pytest.raises(Refused) as refused:
        client.upload_audience(7, file)
    assert refused.value.kind == "upload-offset"


def test_an_upload_of_an_earlier_run_goes_on(
    api: ScriptedApi, client: CouponClient, file: Path
) -> None:
    api.answers = [at(6), at(8), Answer(200, AUDIENCE)]
    client.upload_audience(7, file, resume="u")
    assert asked(api) == [("GET", "u"), ("PATCH", "6", b"33"), ("POST", "finish")]
