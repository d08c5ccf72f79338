"""Takes the steps of a trace on the real servers."""

from collections.abc import Iterator
from typing import Any

from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from coupons.model import IssueRequest, Status
from operations.verify.report import check_consistency
from reconciler.routine_pass import run_pass
from tests.model.replay.claim_steps import ClaimSteps
from tests.model.replay.rebuild_steps import RebuildSteps
from tests.model.replay.standing import COUPON


class World(ClaimSteps, RebuildSteps):
    """The system at the beginning of a trace; each step of the model is a method of its name."""

    def take(self, step: dict[str, Any], after: dict[str, Any]) -> None:
        """Take the step; then the servers must hold what the model says."""
        getattr(self, step["what"])(step)
        self.servers.compare(after)

    def end(self) -> None:
        """Every process ends where it stands."""
        for writer in self._writers.values():
            writer.end()
        for rebuild in self._rebuilds.values():
            rebuild.rebuild_ends()
        self._connections.take_back()

    def come_to_rest(self) -> None:
        """The consumer and the reconciler do their work: then all books balance."""
        self.end()
        reconciler = self._system.ledger["reconciler"]
        for _ in range(3):
            list(run_pass(self.gate, reconciler, pending_after_s=0.0))
            self.gate.settle(self._issue(list(self._requests())))
        books = check_consistency(self.gate, self._system.ledger["ops"], COUPON)
        assert books is not None
        assert books.complaints == [], books

    # The consumer, and the reconciler's marks

    def issue(self, step: dict[str, Any]) -> None:
        batch = [
            self._event(user, self.servers.times.real((user, time)))
            for user, time in enumerate(step["batch"])
            if time
        ]
        self._marks[step["who"]] = self._issue(batch)

    def see_final(self, step: dict[str, Any]) -> None:
        [found] = find_requests(self._reconciler, [(COUPON, step["user"] + 1)])
        assert found.is_final
        self._marks[step["who"]] = [found]

    def mark(self, step: dict[str, Any]) -> None:
        self.gate.settle(self._marks.pop(step["who"]))

    def mark_lost(self, step: dict[str, Any]) -> None:
        del self._marks[step["who"]]

    def _issue(self, batch: list[IssueRequest]) -> list[IssueRequest]:
        return [each.request for each in issue_or_reject(self._system.ledger["consumer"], batch)]

    def _event(self, user: int, time_us: int) -> IssueRequest:
        return IssueRequest(COUPON, user + 1, time_us, Status.REQUESTED)

    def _requests(self) -> Iterator[IssueRequest]:
        keys = self._system.rows("coupon_issue_request")
        for request in find_requests(self._reconciler, sorted(keys)):
            yield self._event(request.user_id - 1, request.requested_at_us)
