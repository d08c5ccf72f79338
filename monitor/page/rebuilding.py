"""Rebuilds of the gate that operators start on the page, with the rights of coupon_ops."""

from contextlib import suppress
from datetime import timedelta

from coupons.endpoints import DATABASE_URL, Endpoints
from coupons.errors import CouponError
from coupons.ledger.connection import connect_ledger
from coupons.model import Coupon
from monitor.page.runs import UNKNOWN, Notify, Run, Runs, WorkFailed
from operations.audit import last_action, note_action
from operations.gate import RebuildResult, rebuild_coupon
from operations.session import Failed, Session, connect

REBUILD = "rebuild gate"
ANSWER_TIMEOUT_SECONDS = 3.0
REMEMBERED = timedelta(days=1)
MOST_NAMED = 10
"""Coupons that were not rebuilt, in the result."""
_NO_END = (
    "Its end is not known: the monitor ended meanwhile, or another monitor runs it. The"
    " reconciler rebuilds a coupon that was left unavailable. You can start it again."
)


class Rebuilding:
    """One rebuild at a time, of one coupon or of all."""

    def __init__(self, where: Endpoints) -> None:
        self._where = where
        self._runs = Runs("rebuild")
        self._before: Run | None = None
        self._has_looked = False

    @property
    def last(self) -> Run | None:
        """The last run; None: none is known."""
        return self._runs.last or self._before

    def look_back(self) -> None:
        """Once: find a run of an earlier monitor in the audit trail that has no end there."""
        if self._has_looked or self._runs.last:
            return
        url = self._where[DATABASE_URL]
        try:
            with connect_ledger(url, "coupon-monitor-page", ANSWER_TIMEOUT_SECONDS) as connection:
                found = last_action(connection, REBUILD, REMEMBERED)
        except CouponError:
            return
        self._has_looked = True
        if found is not None and found.result == "begun":
            what = _what(found.coupon_id)
            self._before = Run(found.acted_by, what, found.acted_at, UNKNOWN, _NO_END)

    def begin(self, who: str, coupon_id: int | None) -> bool:
        """Begin to rebuild one coupon, or all; False: another rebuild is not over."""
        return self._runs.begin(
            who, _what(coupon_id), lambda notify: self._rebuild(who, coupon_id, notify)
        )

    def _rebuild(self, who: str, coupon_id: int | None, notify: Notify) -> str:
        with connect(self._where) as session:
            note_action(session.connection, who, REBUILD, "begun", "", coupon_id)
            try:
                says = _rebuild(session, coupon_id, notify)
            except Exception as error:
                with suppress(CouponError):
                    note_action(session.connection, who, REBUILD, "failed", str(error), coupon_id)
                raise
            note_action(session.connection, who, REBUILD, "done", says, coupon_id)
            return says


def _what(coupon_id: int | None) -> str:
    return "Rebuild of all coupons" if coupon_id is None else f"Rebuild of coupon {coupon_id}"


def _rebuild(session: Session, coupon_id: int | None, notify: Notify) -> str:
    """The result in a sentence. Raises WorkFailed when a coupon was not rebuilt."""
    total = len(session.coupons(coupon_id)[0])
    failures: list[Failed] = []
    done: list[RebuildResult] = []

    def work(coupon: Coupon) -> RebuildResult:
        before = f"{len(done):,} of {total:,} coupons are rebuilt. " if total > 1 else ""

        def loaded(requests: int) -> None:
            notify(f"{before}Coupon {coupon.coupon_id}: {requests:,} requests are loaded.")

        loaded(0)
        return rebuild_coupon(session, coupon.coupon_id, loaded, as_operator=True)

    for result in session.each(coupon_id, work, failures, at_gate=True):
        if result.requests is None:
            failures.append(Failed(result.coupon_id, _not_rebuilt(result.coupon_id)))
        else:
            done.append(result)
    return _result(done, failures)


def _not_rebuilt(coupon_id: int) -> str:
    return f"coupon {coupon_id}: another rebuild of it runs, or Redis restarted meanwhile"


def _result(done: list[RebuildResult], failures: list[Failed]) -> str:
    coupons = "1 coupon is" if len(done) == 1 else f"{len(done):,} coupons are"
    requests, seconds = sum(each.requests or 0 for each in done), sum(each.seconds for each in done)
    says = f"{coupons} rebuilt with {requests:,} requests in {seconds:.1f} s."
    if not failures:
        return says
    ids = ", ".join(str(each.coupon_id) for each in failures[:MOST_NAMED])
    more = f" and {len(failures) - MOST_NAMED:,} more" if len(failures) > MOST_NAMED else ""
    raise WorkFailed(f"{says} Not rebuilt: {ids}{more}. {failures[0].why.strip()[:300]}")
