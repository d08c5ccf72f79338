"""Changes of issued coupons, a batch at a time: one commit for many."""

from collections.abc import Sequence

from api.ledger_connections import LedgerConnections
from coupons.ledger.connection import ROW_ERRORS
from coupons.ledger.owned_coupons import Changed, WantedChange, change_owned_coupons
from coupons.ledger.refusals import LedgerRefusal, LedgerRefused

ChangeResult = Changed | None | Exception
"""None: there is no such issued coupon. An error: of this change alone."""


class ChangeWriter:
    """Writes batches of changes. Safe to share between threads."""

    def __init__(self, connections: LedgerConnections) -> None:
        self._connections = connections

    def write(self, wanted: Sequence[WantedChange]) -> Sequence[ChangeResult]:
        """A result for each; on return everything that is done is committed.

        When Postgres refuses one of them for what is in it, or somebody else has locked its coupon,
        each is written alone. Raises LedgerUnavailable: nothing was changed; OutcomeUnknown: that
        is not known.
        """
        try:
            return self._write_together(wanted)
        except ROW_ERRORS as error:
            if len(wanted) == 1:
                return [error]
        except LedgerRefused as error:
            if error.refusal is not LedgerRefusal.LOCKED:
                raise
            if len(wanted) == 1:
                return [error]
        return [result for each in wanted for result in self.write([each])]

    def _write_together(self, wanted: Sequence[WantedChange]) -> Sequence[ChangeResult]:
        with self._connections.lend() as connection:
            return change_owned_coupons(connection, wanted)
