"""`coupon retire`: files first, then the drop; cut off anywhere, a repetition finishes it."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from operations.retiring import export, parquet
from operations.retiring.manifest import read_manifest
from tests.reconciler.conftest import Pass, Shop
from tests.reconciler.retirements import IS_RETIRED, Type
from tests.support.databases import Database
from tests.support.issued import as_owner
from tests.support.retiring import archive, rows

pq = pytest.importorskip("pyarrow.parquet")


def read(folder: Path, coupon_id: int, kind: str) -> list[dict[str, Any]]:
    made = folder / f"coupon-{coupon_id}"
    found: list[dict[str, Any]] = pq.read_table(
        made / read_manifest(made).file_of(kind)
    ).to_pylist()
    return found


def test_rows_are_in_the_files_and_the_counts_still_balance(
    old: Shop, retire_all: Type, type_it: Type, folder: Path
) -> None:
    """`coupon verify` has the counts of then; the files have each row."""
    coupon_id = old.coupon_id
    before = as_owner(
        old.database, "SELECT user_id, requested_at FROM coupon_issue_request ORDER BY user_id"
    )

    done = retire_all("--json")

    assert done.exit_code == 0, done.output
    [told] = json.loads(done.stdout)["retired"]
    assert told["counts"]["accepted"] == told["counts"]["issued"] == 10
    assert told["counts"]["active"] == 8
    assert rows(old.database, coupon_id) == IS_RETIRED
    requests = read(folder, coupon_id, "requests")
    assert [(each["user_id"], each["requested_at"]) for each in requests] == before
    assert {each["status"] for each in requests} == {"ISSUED"}
    changes = read(folder, coupon_id, "changes")
    assert [(each["user_id"], each["to_state"]) for each in changes] == [
        (2, "used"),
        (3, "revoked"),
    ]
    assert changes[0]["order_reference"] == "order 1"
    verified = json.loads(type_it("verify", "--coupon", coupon_id, "--json").stdout)
    [report] = verified["coupons"]
    assert report["complaints"] == []
    assert report["ledger"]["accepted"] == report["ledger"]["issued"] == 10
    assert report["retired_at"] is not None
    assert verified["lives"][0]["used"] == verified["lives"][0]["revoked"] == 1
    assert verified["unmatched"] == []
    again = retire_all("--coupon", coupon_id)
    assert (again.exit_code, again.output) == (0, "There is no coupon to retire.\n")


def test_it_is_shown_first_and_asked_for(old: Shop, type_it: Type, folder: Path) -> None:
    """A dry run changes nothing, nor does a command that nobody confirms."""
    shown = type_it("retire", "--to", folder, "--dry-run", "--json")
    assert [each["coupon_id"] for each in json.loads(shown.stdout)["coupons"]] == [old.coupon_id]
    assert "10 requests" in type_it("retire", "--to", folder, "--dry-run").output
    asked = type_it("retire", "--to", folder)
    assert asked.exit_code == 2
    assert "nothing was retired" in asked.output
    assert list(folder.iterdir()) == []
    assert as_owner(old.database, "SELECT FROM retired_coupon") == []


def test_what_users_can_still_use_is_passed_over(old: Shop, type_it: Type, folder: Path) -> None:
    """Unless the operator says so; and everything is as before."""
    before = rows(old.database, old.coupon_id)
    done = type_it("retire", "--to", folder, "--yes", "--json")
    assert done.exit_code == 1
    [passed] = json.loads(done.stdout.splitlines()[-1])["passed_over"]
    assert "8 issued coupons are still active" in passed["why"]
    assert rows(old.database, old.coupon_id) == before
    assert as_owner(old.database, "SELECT FROM retired_coupon") == []
    assert as_owner(old.database, "SELECT FROM operator_action WHERE result = 'begun'") == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("younger", ["--older-than=401d", "--older-than=0d", "--older-than=1y"])
def test_younger_ones_stay(old: Shop, retire_all: Type, younger: str) -> None:
    before = rows(old.database, old.coupon_id)
    done = retire_all(younger, "--coupon", old.coupon_id)
    assert done.exit_code == (1 if "401" in younger else 2)
    assert rows(old.database, old.coupon_id) == before


def test_a_folder_that_is_not_there_ends_it(old: Shop, type_it: Type, folder: Path) -> None:
    done = type_it("retire", "--to", folder / "none", "--yes", "--also-active")
    assert done.exit_code == 2
    assert "does not exist" in done.output


def test_a_full_disk_drops_nothing(
    old: Shop, retire_all: Type, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The half of a file goes; the coupon is as before."""
    before = rows(old.database, old.coupon_id)

    def full(path: Path, *_: object) -> int:
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(export, "write_pages", full)
    done = retire_all()
    assert done.exit_code == 1
    assert "No space is left on the disk" in done.output
    assert rows(old.database, old.coupon_id) == before
    assert list(folder.iterdir()) == []
    assert as_owner(old.database, "SELECT FROM retired_coupon") == []

    monkeypatch.undo()
    assert retire_all().exit_code == 0


def test_a_file_that_lost_a_row_drops_nothing(
    old: Shop, retire_all: Type, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read back and compared with Postgres, row by row."""
    before = rows(old.database, old.coupon_id)

    def lossy(path: Path, name: str, pages: Any) -> int:
        return parquet.write_pages(path, name, (page.slice(1) for page in pages))

    monkeypatch.setattr(export, "write_pages", lossy)
    done = retire_all()
    assert done.exit_code == 1
    assert "read back is not what Postgres holds" in done.output
    assert rows(old.database, old.coupon_id) == before
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", ["another", "none"])
def test_a_folder_of_somebody_else_is_left(
    old: Shop, retire_all: Type, folder: Path, content: str
) -> None:
    """It is there already with another content: nothing is written over it, nothing dropped."""
    there = folder / f"coupon-{old.coupon_id}"
    there.mkdir()
    (there / "manifest.json").write_text("{}" if content == "another" else "")
    before = rows(old.database, old.coupon_id)
    done = retire_all()
    assert done.exit_code == 1
    assert "is there already" in done.output
    assert rows(old.database, old.coupon_id) == before
    assert [path.name for path in there.iterdir()] == ["manifest.json"]


def test_rows_that_do_not_balance_are_not_retired(
    old: Shop, retire_all: Type, folder: Path, database: Database
) -> None:
    """An outcome without its request: the files would lack it."""
    as_owner(database, "DELETE FROM coupon_issue_request WHERE user_id = 5")
    done = retire_all()
    assert done.exit_code == 1
    assert "its rows are not what its counts say" in done.output
    assert list(folder.iterdir()) == []
    assert as_owner(database, "SELECT FROM retired_coupon") == []
    assert rows(old.database, old.coupon_id)["issued_coupon"] == 10


def test_a_trace_says_where_the_requests_are(
    old: Shop, retire_all: Type, trace: Any, make_pass: Pass
) -> None:
    make_pass()  # the gate forgets the coupon
    assert retire_all().exit_code == 0
    done = trace("--coupon", old.coupon_id, "--user", 2)
    assert "was retired at" in " ".join(done.output.split())


def test_one_that_cannot_be_retired_stops_no_other(
    old: Shop, other: Shop, retire_all: Type, folder: Path
) -> None:
    other.accept(1)
    other.issue(1)
    archive(other.database, other.coupon_id)
    (folder / f"coupon-{old.coupon_id}").mkdir()
    done = retire_all("--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout.splitlines()[-1])
    assert [each["coupon_id"] for each in document["retired"]] == [other.coupon_id]
    assert [each["coupon_id"] for each in document["passed_over"]] == [old.coupon_id]
