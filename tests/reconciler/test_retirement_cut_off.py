"""A retirement that is cut off is finished by a repetition, from the files that were proved."""

import json
from pathlib import Path
from typing import Any

import pytest

from coupons.errors import LedgerUnavailable, OutcomeUnknown
from coupons.ledger.connection import Connection
from coupons.ledger.retired import drop_page
from operations.doctor.retirements import check_retirements
from operations.retiring import retire
from operations.retiring.folder_lock import locked
from operations.retiring.manifest import read_manifest, sha256_of, write_manifest
from tests.reconciler.conftest import Shop
from tests.reconciler.retirements import IS_RETIRED, Type
from tests.support.issued import as_owner
from tests.support.retiring import rows

pq = pytest.importorskip("pyarrow.parquet")


def _cut_off(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


def _lost(*_: object) -> Any:
    raise LedgerUnavailable("the server went away")


@pytest.mark.parametrize("step", ["export_coupon", "note_export", "find_export", "drop_page"])
def test_it_is_cut_off_and_finished_by_a_repetition(
    old: Shop, retire_all: Type, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Also where the coupon cannot be given back, because the process is gone."""
    monkeypatch.setattr(retire, step, _cut_off)
    monkeypatch.setattr(retire, "abandon_retirement", lambda *_: None)
    assert retire_all().exit_code == 130
    assert rows(old.database, old.coupon_id)["coupon_issue_request"] == 10

    monkeypatch.undo()
    done = retire_all()

    assert done.exit_code == 0, done.output
    assert rows(old.database, old.coupon_id) == IS_RETIRED


def test_it_is_cut_off_between_two_pages(
    old: Shop, retire_all: Type, type_it: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the rows are dropped; the counts balance, and the rest goes with the repetition."""

    def drop_four(connection: Connection, coupon_id: int, after: int, by: str) -> Any:
        if after:
            raise LedgerUnavailable("the server went away")
        monkeypatch.setattr("coupons.ledger.retired.ROWS_PER_PAGE", 4)
        return drop_page(connection, coupon_id, after, by)

    monkeypatch.setattr(retire, "drop_page", drop_four)
    assert retire_all().exit_code == 3
    assert rows(old.database, old.coupon_id)["coupon_issue_request"] == 6
    system: Any = type("System", (), {"database_url": old.database.url("coupon_ops")})
    assert list(check_retirements(system)) == []
    as_owner(old.database, "UPDATE retired_coupon SET begun_at = begun_at - interval '1 hour'")
    [found] = check_retirements(system)
    assert "1 retirements began more than an hour ago" in found.says
    [report] = json.loads(type_it("verify", "--coupon", old.coupon_id, "--json").stdout)["coupons"]
    assert (report["complaints"], report["requests"]) == ([], [])

    monkeypatch.undo()
    assert retire_all().exit_code == 0
    assert rows(old.database, old.coupon_id) == IS_RETIRED
    assert list(check_retirements(system)) == []


def test_a_folder_that_may_be_noted_stays(
    old: Shop, retire_all: Type, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether Postgres noted it: with its row, erasures know of it."""

    def unknown(*_: object) -> Any:
        raise OutcomeUnknown("the server went away")

    monkeypatch.setattr(retire, "note_export", unknown)
    assert retire_all().exit_code == 3
    assert [path.name for path in folder.iterdir()] == [f"coupon-{old.coupon_id}"]
    assert len(as_owner(old.database, "SELECT FROM retired_coupon")) == 1

    monkeypatch.undo()
    assert retire_all().exit_code == 0
    assert rows(old.database, old.coupon_id) == IS_RETIRED


def test_a_paused_command_keeps_its_folder(old: Shop, retire_all: Type, folder: Path) -> None:
    """Postgres ends its session, and with it the lock, while it goes on afterwards."""
    before = rows(old.database, old.coupon_id)
    with locked(folder):
        done = retire_all()
    assert done.exit_code == 1
    assert "another command works on the exports" in done.output
    assert rows(old.database, old.coupon_id) == before
    assert list(folder.iterdir()) == []


@pytest.fixture
def proved(old: Shop, retire_all: Type, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a retirement that was cut off before it dropped a row."""
    with monkeypatch.context() as patched:
        patched.setattr(retire, "drop_page", _lost)
        assert retire_all().exit_code == 3
    return folder / f"coupon-{old.coupon_id}"


def test_another_export_stops_the_drop(old: Shop, retire_all: Type, proved: Path) -> None:
    """A folder that is sound, and not the one that was proved."""
    manifest = read_manifest(proved)
    name = manifest.file_of("requests")
    pq.write_table(pq.read_table(proved / name).slice(1), proved / name)
    other = {name: {"rows": 9, "sha256": sha256_of(proved / name)}}
    write_manifest(proved, manifest._replace(files=manifest.files | other))
    done = retire_all()
    assert done.exit_code == 1
    assert "is not what Postgres has noted" in " ".join(done.output.split())
    assert rows(old.database, old.coupon_id)["coupon_issue_request"] == 10


def test_files_that_are_gone_stop_the_drop(old: Shop, retire_all: Type, proved: Path) -> None:
    """It was proved, and cut off; somebody has removed or changed a file since."""
    (proved / read_manifest(proved).file_of("requests")).write_bytes(b"other")
    done = retire_all()
    assert done.exit_code == 1
    assert "has another content than the manifest says" in done.output
    assert rows(old.database, old.coupon_id)["coupon_issue_request"] == 10
