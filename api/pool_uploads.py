"""Uploads a file of codes to the pool of a coupon: in batches, in one transaction."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from api.pool_lines import HeaderLine, LineProblem, PoolLine
from coupons.ledger.codes import pool_upload
from coupons.ledger.connection import Connection

LINES_AT_ONCE = 4_000
"""So few that a slow client, too, lets the transaction do something every some seconds."""
MOST_NAMED_LINES = 20


@dataclass
class UploadReport:
    """What became of a file: how many codes were added, and which lines were not.

    header: the header line that was left out; None: there was none. refused: how many lines, by
    reason. first: number and reason of the first of them.
    """

    header: str | None = None
    added: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first: list[tuple[int, str]] = field(default_factory=list)


def upload_codes(
    connection: Connection,
    coupon_id: int,
    acted_by: str,
    lines: Iterable[tuple[int, PoolLine]],
) -> UploadReport:
    """Add the codes of these lines, and commit; lines that are wrong are left out and reported.

    Raises CannotUpload, whatever `lines` raises, LedgerUnavailable when nothing was done, and
    OutcomeUnknown when that is not known. Repeating is harmless: each code is there once.
    """
    report = UploadReport()
    left = iter(lines)
    with pool_upload(connection, coupon_id, acted_by) as upload:
        while batch := list(islice(left, LINES_AT_ONCE)):
            if isinstance(first := batch[0][1], HeaderLine):
                report.header = first.text
                del batch[0]
            wrong = [(number, str(code)) for number, code in batch if isinstance(code, LineProblem)]
            right = [(number, code) for number, code in batch if not isinstance(code, LineProblem)]
            not_added = upload.add([str(code) for _, code in right])
            wrong += [(right[each.position][0], each.reason) for each in not_added]
            report.refused.update(reason for _, reason in wrong)
            room = MOST_NAMED_LINES - len(report.first)
            report.first += sorted(wrong)[:room]
        report.added = upload.added
    return report
