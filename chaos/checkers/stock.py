"""Promises about the stock: never oversold, never refused while some is left."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable

from chaos.checkers.naming import named
from chaos.evidence import Evidence
from chaos.history import FAILED, History, Key, Response

LINGERING_SECONDS = 10.0
"""The API may continue with a claim for this long after its caller gave up."""


def never_oversold(_: History, evidence: Evidence) -> list[str]:
    """Issued coupons never exceed the total, counted from the rows; the counter equals the rows."""
    issued = Counter(key[0] for key in evidence.issued)
    complaints = [
        f"coupon {coupon_id} has a total of {total} and {issued[coupon_id]} are issued"
        for coupon_id, total in evidence.totals.items()
        if issued[coupon_id] > total
    ]
    return complaints + [
        f"coupon {coupon_id} counts {counted} issued, and {issued[coupon_id]} are"
        for coupon_id, counted in evidence.issued_counts.items()
        if counted != issued[coupon_id]
    ]


def an_accepted_request_is_issued(history: History, evidence: Evidence) -> list[str]:
    """Where the total never fell no admitted request is rejected: there was stock for it."""
    complaints = []
    for key in evidence.rejected:
        totals = [stock.total for stock in history.stocks.get(key[0], ())]
        if totals and totals == sorted(totals):
            complaints.append(f"{named(key)} is rejected, though the total never fell")
    return complaints


def sold_out_means_that_all_are_issued(history: History, evidence: Evidence) -> list[str]:
    """Demand exceeded the total and everything settled: then exactly the total is issued.

    Checked for coupons with a refusal and without a failed claim since the last quiet moment: stock
    that was given back before has been taken again by then.
    """
    complaints = []
    issued = Counter(key[0] for key in evidence.issued)
    quiet = history.last_quiet(float("inf"))
    for coupon_id, responses in _by_coupon(history.responses).items():
        since = [response for response in responses if response.began >= quiet]
        if any(response.status in FAILED for response in since):
            continue
        total = evidence.totals.get(coupon_id, 0)
        if any(response.sold_out for response in since) and issued[coupon_id] != total:
            complaints.append(
                f"coupon {coupon_id} is sold out with {issued[coupon_id]} of {total} issued"
            )
    return complaints


def refused_only_when_full(history: History, evidence: Evidence) -> list[str]:
    """No claim is refused as sold out while stock is left.

    At most these users hold stock at a refusal: users with a row who had claimed by then, and users
    whose claim failed since the gate was last equal to the ledger. When they are fewer than the
    total, the refusal was wrong.
    """
    rows = {(request.coupon_id, request.user_id) for request in evidence.requests}
    complaints = []
    for coupon_id, responses in _by_coupon(history.responses).items():
        refusals = [response for response in responses if response.sold_out]
        holders = _Holders(responses, rows)
        for refusal in sorted(refusals, key=lambda each: each.ended):
            quiet = history.last_quiet(refusal.began)
            held = holders.at_most(quiet, refusal.ended)
            total = history.least_total(coupon_id, refusal.began)
            if held < total:
                complaints.append(f"{refusal}: at most {held} of {total} were held")
    return complaints


def _by_coupon(responses: Iterable[Response]) -> dict[int, list[Response]]:
    by_coupon: dict[int, list[Response]] = defaultdict(list)
    for response in responses:
        by_coupon[response.coupon_id].append(response)
    return by_coupon


class _Holders:
    """How many users can have held stock of one coupon at a moment."""

    def __init__(self, responses: Iterable[Response], rows: set[Key]) -> None:
        self._failed = [a for a in responses if a.key not in rows and a.status in FAILED]
        self._with_row = _first_begins(each for each in responses if each.key in rows)
        self._failed_since: dict[float, list[float]] = {}

    def at_most(self, quiet: float, moment: float) -> int:
        """Holders at a moment, when the gate was equal to the ledger at `quiet`."""
        failed = self._failed_since.get(quiet)
        if failed is None:
            since = quiet - LINGERING_SECONDS
            failed = _first_begins(each for each in self._failed if each.ended >= since)
            self._failed_since[quiet] = failed
        return bisect_right(self._with_row, moment) + bisect_right(failed, moment)


def _first_begins(responses: Iterable[Response]) -> list[float]:
    """The moments at which each user first claimed, ascending."""
    firsts: dict[Key, float] = {}
    for response in responses:
        firsts[response.key] = min(response.began, firsts.get(response.key, response.began))
    return sorted(firsts.values())
