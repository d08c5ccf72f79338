"""A retired coupon with many requests: how long it takes, what it frees, and who notices."""

import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil
import psycopg

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


class Accepted(NamedTuple):
    """Of single claims of another coupon, written one after the other: milliseconds."""

    claims: int
    p50_ms: float
    p99_ms: float
    most_ms: float


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
    quiet: Accepted
    exporting: Accepted
    dropping: Accepted


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
        quiet = _accepting(api_url, lambda: time.sleep(_QUIET_SECONDS))
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


def _timed(api_url: str, work: Callable[[], None]) -> tuple[Accepted, float]:
    took: list[float] = []

    def timed() -> None:
        began = time.monotonic()
        work()
        took.append(time.monotonic() - began)

    return _accepting(api_url, timed), took[0]


def _accepting(api_url: str, work: Callable[[], None]) -> Accepted:
    """Claims of another coupon in a process of its own, as long as the work takes."""
    context = get_context("spawn")
    begun, stop, found = context.Event(), context.Event(), context.Queue()
    child = context.Process(target=_accept, args=(api_url, begun, stop, found))
    child.start()
    begun.wait()
    try:
        work()
    finally:
        stop.set()
    taken = found.get()
    child.join()
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return Accepted(len(taken), cuts[49], cuts[98], max(taken))


def _accept(api_url: str, begun: Event, stop: Event, found: "Queue[list[float]]") -> None:
    taken: list[float] = []
    with connect_ledger(api_url, _WHO) as api:
        first = time.time_ns() // 1_000
        accept_requests(api, [Admission(_OTHER_ID, first, first, 1, False)])
        begun.set()
        while not stop.is_set():
            user = first + len(taken) + 1
            began = time.perf_counter()
            accept_requests(api, [Admission(_OTHER_ID, user, first, 1, False)])
            taken.append((time.perf_counter() - began) * 1_000)
            stop.wait(_PAUSE_SECONDS)
    found.put(taken)
