"""Changes of a coupon by an administrator: in the ledger first, then at the gate.

The API's routes and the operator's page use it.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg.errors import CheckViolation

from coupons.errors import CouponError, LedgerUnavailable, NotThere, RedisUnavailable
from coupons.gate.figures import unavailable_reason
from coupons.gate.gate import Gate
from coupons.gate.opening import open_coupon
from coupons.ledger.admin_states import archive_coupon
from coupons.ledger.audiences import list_audiences
from coupons.ledger.connection import Connection
from coupons.ledger.coupon_pages import read_coupon
from coupons.ledger.coupons import change_coupon, operate_coupon
from coupons.model import Coupon, CouponState

log = logging.getLogger(__name__)

STATES = {"pause": CouponState.PAUSED, "resume": CouponState.OPEN, "close": CouponState.CLOSED}
"""The state that each action sets."""

_FINAL = (CouponState.CLOSED, CouponState.ARCHIVED)
"""Setting one of these again changes nothing."""


class CouponClosed(CouponError):
    """The coupon is closed, which is final."""


class CouponDraft(CouponError):
    """The coupon is a draft, which can only be opened."""


class CouponArchived(CouponError):
    """The coupon is archived, which is final."""


class CouponNotClosed(CouponError):
    """Only a closed coupon can be archived."""


class CouponInFlight(CouponError):
    """Some requests of the coupon are not final, so that it cannot be archived."""


class CouponChanged(CouponError):
    """Somebody else changed the coupon meanwhile: nothing was done."""


def change_in_ledger(
    connection: Connection,
    coupon_id: int,
    changes: Mapping[str, Any],
    acted_by: str,
    seen_versions: Sequence[int] | None = None,
) -> Coupon:
    """The coupon as changed; its audit trail names `acted_by`.

    Closing a closed coupon again changes nothing. seen_versions: one of which it must still have;
    None: whichever it has. Raises NotThere, CouponClosed, CouponArchived, CouponDraft for the state
    of a draft, CouponChanged when it has none of these, and what `change_coupon` raises.
    """
    changed = change_coupon(connection, coupon_id, acted_by, seen_versions, **changes)
    return changed or _unchanged(connection, coupon_id, changes, seen_versions)


def operate_in_ledger(
    connection: Connection,
    coupon_id: int,
    seen_version: int,
    changes: Mapping[str, Any],
    acted_by: str,
) -> Coupon:
    """The same for an operator, who changes state or stock of the coupon as they saw it.

    Raises CouponChanged too, when somebody else changed it meanwhile. Operators change no draft.
    """
    changed = operate_coupon(connection, coupon_id, seen_version, acted_by, **changes)
    return changed or _unchanged(connection, coupon_id, changes, [seen_version])


def archive_in_ledger(
    gate: Gate,
    connection: Connection,
    coupon_id: int,
    acted_by: str,
    seen_versions: Sequence[int] | None = None,
) -> Coupon:
    """The coupon as archived; doing it again changes nothing.

    Raises NotThere, CouponDraft, CouponNotClosed, CouponChanged when it has none of the versions,
    CouponInFlight, and RedisUnavailable: what is pending at the gate may become a request.
    """
    _settled_at_gate(gate, connection, coupon_id)
    try:
        archived = archive_coupon(connection, coupon_id, acted_by, seen_versions)
    except CheckViolation:
        raise CouponInFlight(
            f"Requests of coupon {coupon_id} are accepted and not final."
        ) from None
    if archived is not None:
        return archived
    return _unchanged(connection, coupon_id, {"state": CouponState.ARCHIVED}, seen_versions)


def _settled_at_gate(gate: Gate, connection: Connection, coupon_id: int) -> None:
    """Raises CouponInFlight while the gate has a claim of a closed coupon that is not final."""
    coupon = read_coupon(connection, coupon_id)
    if coupon is None or coupon.state is not CouponState.CLOSED:
        return
    gate.define(coupon)  # in case it was not closed there yet
    [figures] = gate.figures([coupon_id])
    if figures and figures.pending and unavailable_reason(figures, coupon) is None:
        raise CouponInFlight(
            f"Claims of coupon {coupon_id} that are admitted and not final: {figures.pending:,}."
            " Try again when they are."
        )


def _unchanged(
    connection: Connection,
    coupon_id: int,
    changes: Mapping[str, Any],
    seen_versions: Sequence[int] | None,
) -> Coupon:
    """The coupon, if the changes have nothing to change. Raises why they were not made."""
    coupon = read_coupon(connection, coupon_id)
    if coupon is None:
        raise NotThere(f"there is no coupon {coupon_id}")
    is_as_seen = seen_versions is None or coupon.version in seen_versions
    if coupon.state is CouponState.DRAFT and is_as_seen:
        raise CouponDraft(
            f"Coupon {coupon_id} is a draft: it can only be opened, with PATCH and"
            ' {"state": "open"}.'
        )
    if changes == {"state": coupon.state} and coupon.state in _FINAL:
        return coupon
    if coupon.state is CouponState.ARCHIVED:
        raise CouponArchived(f"Coupon {coupon_id} is archived, which is final.")
    if coupon.state is CouponState.CLOSED and changes != {"state": CouponState.ARCHIVED}:
        raise CouponClosed(f"Coupon {coupon_id} is closed, which is final.")
    if changes == {"state": CouponState.ARCHIVED} and is_as_seen:
        raise CouponNotClosed(f"Coupon {coupon_id} is {coupon.state}. Close it first.")
    raise CouponChanged(f"Coupon {coupon_id} was changed meanwhile: nothing was done.")


def define_at_gate(gate: Gate, coupon: Coupon, about: Mapping[str, object]) -> bool:
    """Whether the gate has the change; if not, the reconciler brings it later.

    After the commit nothing may raise: the caller would think that it was not done. about: fields
    of the log line.
    """
    with _logged(about):
        gate.define(coupon)
        return True
    return False


def open_at_gate(gate: Gate, coupon: Coupon, about: Mapping[str, object]) -> bool:
    """Whether the gate admits a coupon that was just created.

    If not, the reconciler opens it later; it may have been faster. Like `define_at_gate`, it raises
    nothing.
    """
    with _logged(about):
        if open_coupon(gate, coupon):
            return True
        gate.define(coupon)
        log.warning("the gate has a newer epoch of this coupon; not opened", extra=about)
    return False


def open_draft_at_gate(
    gate: Gate, connection: Connection, coupon: Coupon, about: Mapping[str, object]
) -> bool:
    """The same for a coupon that was a draft until now.

    One with a list of users is left to the reconciler, which alone loads lists.
    """
    try:
        if list_audiences(connection, [coupon.coupon_id]):
            return False
    except LedgerUnavailable as error:
        log.warning("%s; the gate does not have it yet", error, extra=about)
        return False
    return open_at_gate(gate, coupon, about)


@contextmanager
def _logged(about: Mapping[str, object]) -> Iterator[None]:
    """Log an error of the gate, and go on."""
    try:
        yield
    except RedisUnavailable as error:
        log.warning("%s; the gate does not have it yet", error, extra=about)
    except Exception:
        log.exception("the gate does not have it; the reconciler will do it", extra=about)
