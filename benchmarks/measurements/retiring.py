"""A retired coupon with many requests: how long it takes, what it frees, and who notices."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil
import psycopg

from benchmarks.load.beside import Claim, Times, claim_beside
from benchmarks.load.bulk import checkpoint
from coupons.ledger.connection import connect_ledger
from coupons.ledger.requests import accept_requests
from coupons.ledger.retired import Beginning, begin_retirement, drop_page, note_export
from coupons.model import Admission
from stack.disposable import DisposableStack, disposable_stack

_COUPON_ID, _OTHER_ID = 1, 2
_PAUSE_SECONDS = 0.005
_QUIET_SECONDS = 10.0
_YEAR = timedelta(days=365)
_WHO = "coupon-bench"
_FILL = (
    "INSERT INTO coupon (coupon_id, name, total_quantity, state, issued_count)"
    " VALUES ({coupon}, 'of the benchmark', {users}, 'closed', {users}),"
    " ({other}, 'of somebody else', 1000000000, 'open', 0)",
    "INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)"
    " SELECT {coupon}, n, clock_timestamp() FROM generate_series(1, {users}) AS n",
    "INSERT INTO issued_coupon (user_id, coupon_id, requested_at)"
    " SELECT user_id, {coupon}, requested_at FROM coupon_issue_request WHERE coupon_id = {coupon}",
    "INSERT INTO issued_coupon_change (user_id, coupon_id, change_number, from_state, to_state,"
    " changed_by, order_reference) SELECT user_id, coupon_id, 1, 'active', 'used', 'a till', 'A'"
    " FROM issued_coupon WHERE user_id % 2 = 0",
    "UPDATE coupon SET admin_state = 'archived' WHERE coupon_id = {coupon}",
    "UPDATE operator_action SET acted_at = acted_at - interval '2 years'",
    "VACUUM ANALYZE",
)


class Retiring(NamedTuple):
    """export_s: write, read back and compare. Sizes of the database: full, dropped and vacuumed.

    files_mib: of the export. busy: share of one processor that client and Postgres' session took.
    """

    requests: int
    export_s: float
    drop_s: float
    before_mib: float
    after_mib: float
    rewritten_mib: float
    files_mib: float
    busy: float
    quiet: Times
    exporting: Times
    dropping: Times


def measure_retiring(requests: int) -> Retiring:
    """A coupon with so many requests, all issued, and half of them used."""
    with disposable_stack("--servers-only") as stack, TemporaryDirectory() as folder:
        stack.stop("connect", "registry", "kafka")
        return _measure(stack, requests, Path(folder))


def _measure(stack: DisposableStack, requests: int, folder: Path) -> Retiring:
    from operations.retiring.export import export_coupon  # pyarrow may not be installed

    with (
        psycopg.connect(stack.database_url("owner"), autocommit=True) as owner,
        connect_ledger(stack.database_url("ops"), _WHO, 600.0) as ops,
    ):
        for statement in _FILL:
            filled = statement.format(coupon=_COUPON_ID, other=_OTHER_ID, users=requests)
            owner.execute(filled.encode())
        checkpoint(stack)
        api_url = stack.database_url("api")
        before = _size_mib(owner)
        quiet = _beside(api_url, lambda: time.sleep(_QUIET_SECONDS))
        sessions = psutil.Process(), psutil.Process(ops.info.backend_pid)
        used, began = _used_s(*sessions), time.monotonic()
        assert begin_retirement(ops, _COUPON_ID, _YEAR, _WHO) is Beginning.BEGUN

        def export() -> None:
            done = export_coupon(ops, _COUPON_ID, folder, also_active=True)
            noted = note_export(ops, _COUPON_ID, done.counts, str(done.folder), done.files)
            assert noted == "noted"

        def drop() -> None:
            after = 0
            while not (page := drop_page(ops, _COUPON_ID, after, _WHO)).is_done:
                after = page.last_user_id

        exporting, exported_s = _timed(api_url, export)
        dropping, dropped_s = _timed(api_url, drop)
        busy = (_used_s(*sessions) - used) / (time.monotonic() - began)
        owner.execute("VACUUM ANALYZE")
        after = _size_mib(owner)
        owner.execute("VACUUM FULL")
        files = sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 2**20
        sizes = before, after, _size_mib(owner), files
        return Retiring(requests, exported_s, dropped_s, *sizes, busy, quiet, exporting, dropping)


def _size_mib(owner: psycopg.Connection) -> float:
    row = owner.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return float(row[0]) / 2**20


def _used_s(*processes: psutil.Process) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in processes)


def _timed(api_url: str, work: Callable[[], None]) -> tuple[Times, float]:
    took: list[float] = []

    def timed() -> None:
        began = time.monotonic()
        work()
        took.append(time.monotonic() - began)

    return _beside(api_url, timed), took[0]


def _beside(api_url: str, work: Callable[[], None]) -> Times:
    return claim_beside(_accepting, api_url, _PAUSE_SECONDS, work)


@contextmanager
def _accepting(api_url: str) -> Iterator[Claim]:
    with connect_ledger(api_url, _WHO) as api:
        first = time.time_ns() // 1_000
        yield lambda number: accept_requests(
            api, [Admission(_OTHER_ID, first + number, first, 1, False)]
        )
