"""A user who is erased is erased from the files of retired coupons, too."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.connection import Connection
from coupons.model import IssuedChange
from operations import erasing
from operations.doctor.retirements import check_retirements
from operations.retiring import erase, manifest
from operations.retiring.folder_lock import locked
from operations.retiring.manifest import read_manifest
from operations.retiring.parquet import write_pages
from tests.reconciler.conftest import Shop
from tests.support.changes import change_owned_coupon
from tests.support.issued import as_owner
from tests.support.retiring import archive

pq = pytest.importorskip("pyarrow.parquet")

Type = Callable[..., Result]
USER, OTHER = 7654321, 76543210


class _Settings:
    def __init__(self, *_: object) -> None: ...

    def longest_kept(self) -> timedelta:
        return timedelta(days=14)


@pytest.fixture
def type_it(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Type:
    """Types a command of `coupon`, of a system whose Kafka has no dead letter."""
    monkeypatch.setattr(erasing, "TopicSettings", _Settings)
    monkeypatch.setattr(erasing, "read_statuses", lambda *_, **__: [])
    monkeypatch.setattr(erasing, "delete_dead_letters", lambda *_: None)

    def type_one(*words: object) -> Result:
        return CliRunner(env=environment).invoke(main, [str(word) for word in words])

    return type_one


@pytest.fixture
def made(shop: Shop, api: Connection, tmp_path: Path, type_it: Type) -> Path:
    """The files of a coupon of two users, who used it, and wrote things."""
    shop.accept(USER, OTHER)
    shop.issue(USER, OTHER)
    who = f"user {USER}"
    first, second = {"order_reference": f"order of {USER}"}, {"order_reference": "second"}
    change_owned_coupon(api, USER, shop.coupon_id, IssuedChange.USE, who, **first)
    change_owned_coupon(api, USER, shop.coupon_id, IssuedChange.CANCEL_USE, "user 1", **first)
    change_owned_coupon(api, USER, shop.coupon_id, IssuedChange.USE, who, **second)
    till = f"{who} (coupon:redeem)"
    change_owned_coupon(api, OTHER, shop.coupon_id, IssuedChange.REVOKE, till, reason=f"of {who}!")
    archive(shop.database, shop.coupon_id)
    folder = tmp_path / "exports"
    folder.mkdir()
    assert type_it("retire", "--to", folder, "--yes").exit_code == 0
    return folder / f"coupon-{shop.coupon_id}"


def read(made: Path, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(
        made / read_manifest(made).file_of(kind)
    ).to_pylist()
    return found


def names(made: Path) -> bool:
    """Whether any file in the folder has the user's id, in a row or a text."""
    return any(
        row["user_id"] == USER or f"user {USER}" in f"{row} "
        for path in made.glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
        if f"{USER}" in f"{row}".replace(f"{OTHER}", "")
    )


def noted(shop: Shop) -> Any:
    return as_owner(shop.database, "SELECT files FROM retired_coupon")[0][0]


def test_the_files_are_written_again_without_the_user(
    shop: Shop, made: Path, type_it: Type
) -> None:
    """As the ledger does it: one new id, orders by number, names in texts."""
    assert names(made)
    before = as_owner(shop.database, "SELECT counts FROM retired_coupon")
    requested = [each["requested_at"] for each in read(made, "requests")]

    done = type_it("erase", "--user", USER, "--yes", "--json", "--by", "somebody")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["exports"] == {"searched": 1, "rewritten": 1, "open": []}
    assert not names(made)
    requests, changes = read(made, "requests"), read(made, "changes")
    [new] = {each["user_id"] for each in requests} - {OTHER}
    assert new >= FIRST_ERASED_ID
    assert [each["requested_at"] for each in requests] == requested
    mine = [each for each in changes if each["user_id"] == new]
    assert [each["order_reference"] for each in mine] == ["erased 1", "erased 1", "erased 3"]
    assert [each["changed_by"] for each in mine] == ["erased user", "user 1", "erased user"]
    [others] = [each for each in changes if each["user_id"] == OTHER]
    assert (others["changed_by"], others["reason"]) == ("erased user", "of erased user!")
    assert noted(shop) == read_manifest(made).files
    assert as_owner(shop.database, "SELECT counts FROM retired_coupon") == before
    assert as_owner(shop.database, "SELECT FROM export_to_erase") == []
    assert len(list(made.glob("*.parquet"))) == 3


def test_whom_the_files_do_not_name_leaves_them(shop: Shop, made: Path, type_it: Type) -> None:
    files = noted(shop)
    done = type_it("erase", "--user", 765432, "--yes", "--json")
    assert json.loads(done.stdout)["exports"] == {"searched": 1, "rewritten": 0, "open": []}
    assert noted(shop) == files
    assert as_owner(shop.database, "SELECT FROM export_to_erase") == []


def test_files_that_cannot_be_read_are_named_as_open(
    shop: Shop, made: Path, type_it: Type, tmp_path: Path
) -> None:
    """In the result, in the proof, and by the doctor, until they are there again, anywhere."""
    elsewhere = tmp_path / "elsewhere"
    shutil.move(made.parent, elsewhere)

    done = type_it("erase", "--user", USER, "--yes", "--json")

    assert done.exit_code == 1
    proof = json.loads(done.stdout)
    [left] = proof["exports"]["open"]
    assert (left["coupon_id"], left["where"]) == (shop.coupon_id, str(made))
    again = json.loads(type_it("erase", "--proof", proof["erasure_id"], "--json").stdout)
    assert again["open_exports"] == 1
    assert "1 open" in type_it("erase", "--proof", proof["erasure_id"]).stdout
    assert type_it("erase", "--exports").exit_code == 1
    retiring = type_it("retire", "--to", elsewhere, "--yes")
    assert f"open: coupon {shop.coupon_id}, {made}" in retiring.stderr

    finished = type_it("erase", "--exports", "--exports-in", elsewhere, "--json")

    assert finished.exit_code == 0, finished.output
    assert not names(elsewhere / made.name)
    again = json.loads(type_it("erase", "--proof", proof["erasure_id"], "--json").stdout)
    assert again["open_exports"] == 0


def test_a_rewriting_that_is_cut_off_is_finished(
    shop: Shop, made: Path, type_it: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the manifest names the new files, the old ones count; after it, the ledger follows."""
    replace = Path.replace

    def cut_off(path: Path, target: Path) -> Any:
        if path.name == "manifest.json.new":
            raise OSError("the disk went away")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", cut_off)
    assert type_it("erase", "--user", USER, "--yes").exit_code == 1
    monkeypatch.setattr(Path, "replace", replace)
    assert names(made)
    monkeypatch.setattr("operations.retiring.open_exports.note_erased_export", _cut_off)
    assert type_it("erase", "--exports").exit_code == 130
    assert not names(made)
    assert noted(shop) != read_manifest(made).files

    # Before that is noted, another user is erased, and that is cut off as well.
    assert type_it("erase", "--user", OTHER, "--yes").exit_code == 130
    assert read_manifest(made).generation == 3
    assert noted(shop) == read_manifest(made).instead_of

    monkeypatch.undo()
    assert type_it("erase", "--exports").exit_code == 0
    assert noted(shop) == read_manifest(made).files


def test_a_run_that_lost_its_session_changes_no_file(
    shop: Shop, made: Path, type_it: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one may work on them by then; whoever comes next does it all."""
    as_owner(shop.database, "SELECT erase_user(%s, '{}', 'a test', '14 days')", USER)

    def slow(*arguments: Any) -> int:
        with psycopg.connect(shop.database.superuser_url, autocommit=True) as superuser:
            superuser.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'coupon-command'"
            )
        return write_pages(*arguments)

    monkeypatch.setattr(erase, "write_pages", slow)
    assert type_it("erase", "--exports").exit_code == 3
    assert read_manifest(made).generation == 1
    monkeypatch.setattr(erase, "write_pages", write_pages)
    assert type_it("erase", "--exports").exit_code == 0
    assert read_manifest(made).generation == 2
    assert not names(made)


def test_files_that_a_paused_command_holds_are_open(made: Path, type_it: Type) -> None:
    """Postgres ends its session, and with it the lock, while it goes on afterwards."""
    with locked(made.parent):
        done = type_it("erase", "--user", USER, "--yes", "--json")
    [left] = json.loads(done.stdout)["exports"]["open"]
    assert "another command works" in left["why"]
    assert type_it("erase", "--exports").exit_code == 0
    assert not names(made)


def test_an_old_copy_is_left_alone(made: Path, type_it: Type, tmp_path: Path) -> None:
    """It names a user who is erased, and Postgres would note its digests."""
    copied = shutil.copytree(made.parent, tmp_path / "copied")
    assert type_it("erase", "--user", USER, "--yes").exit_code == 0
    done = type_it("erase", "--user", OTHER, "--yes", "--exports-in", copied, "--json")
    [left] = json.loads(done.stdout)["exports"]["open"]
    assert "not what Postgres has noted" in left["why"]
    assert read_manifest(copied / made.name).generation == 1
    assert type_it("erase", "--exports").exit_code == 0


def _cut_off(*_: object) -> Any:
    raise KeyboardInterrupt


def test_a_changed_file_is_not_written_again(made: Path, type_it: Type) -> None:
    """Nobody knows what it holds: it is open, with the reason."""
    (made / read_manifest(made).file_of("requests")).write_bytes(b"x")
    done = type_it("erase", "--user", USER, "--yes", "--json")
    assert done.exit_code == 1
    [left] = json.loads(done.stdout)["exports"]["open"]
    assert "another content" in left["why"]


def test_the_manifest_says_when_it_is_of_a_later_version(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "SCHEMA_VERSION", 2)
    with pytest.raises(manifest.ExportDamaged, match="has version 1"):
        read_manifest(made)


def test_the_doctor_names_files_that_are_open(shop: Shop, made: Path) -> None:
    """An erasure over HTTP reaches no files."""
    as_owner(shop.database, "SELECT erase_user(%s, '{}', 'a test', '14 days')", USER)
    system: Any = type(
        "System", (), {"kafka": None, "database_url": shop.database.url("coupon_ops")}
    )
    [found] = check_retirements(system)
    assert "1 retired coupons may still name users" in found.says
    assert found.command == "coupon erase --exports"
