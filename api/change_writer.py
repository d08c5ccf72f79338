"""Changes of issued coupons, a batch at a time: one commit for many."""

import logging
from collections.abc import Sequence

from api.ledger_connections import LedgerConnections
from coupons.errors import LedgerUnavailable, OutcomeUnknown
from coupons.ledger.connection import ROW_ERRORS
from coupons.ledger.owned_coupons import Changed, Unchanged, WantedChange, change_owned_coupons

log = logging.getLogger(__name__)

ChangeResult = Changed | Unchanged | Exception
"""An error: of this change alone."""


class ChangeWriter:
    """Writes batches of changes. Safe to share between threads."""

    def __init__(self, connections: LedgerConnections) -> None:
        self._connections = connections

    def write(self, wanted: Sequence[WantedChange]) -> Sequence[ChangeResult]:
        """A result for each; on return everything that is done is committed.

        When Postgres refuses one of them for what is in it, each is written alone. Raises
        LedgerUnavailable: nothing was changed; OutcomeUnknown: that is not known.
        """
        try:
            return self._write_together(wanted)
        except ROW_ERRORS:
            return self._write_each(wanted)

    def _write_together(self, wanted: Sequence[WantedChange]) -> Sequence[ChangeResult]:
        try:
            with self._connections.lend() as connection:
                return change_owned_coupons(connection, wanted)
        except OutcomeUnknown as error:
            log.warning("%s; the outcome of %d changes is unknown", error, len(wanted))
            raise

    def _write_each(self, wanted: Sequence[WantedChange]) -> Sequence[ChangeResult]:
        """Once the ledger cannot be used, the rest is not tried; what was done before is done."""
        results: list[ChangeResult] = []
        for each in wanted:
            try:
                results += self._write_together([each])
            except ROW_ERRORS as error:
                results.append(error)
            except LedgerUnavailable as error:
                not_tried = LedgerUnavailable(str(error))
                return [*results, error, *[not_tried] * (len(wanted) - len(results) - 1)]
        return results
