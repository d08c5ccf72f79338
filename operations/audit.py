"""The audit trail: each change of a coupon, and what operators do to letters and on the page.

Commands on connector and gate (`coupon connector`, `coupon gate rebuild`) are not noted.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from coupons.errors import CouponError
from coupons.ledger.connection import Connection, translated
from coupons.model import from_microseconds
from coupons.queries import query

_CURSOR = re.compile(r"([0-9]{1,17})\.([01])\.([0-9]{1,18})")
_NEWEST = (10**16, 0, 0)
"""After every action: the year 2286, in microseconds."""


class NotACursor(CouponError):
    """It was not made by `cursor`."""


class AuditedAction(NamedTuple):
    """acted_by: the name that was given. login: the role at Postgres; None: not known.

    letter: PARTITION:OFFSET of a dead letter. None: the action is of no such thing.
    """

    at_us: int
    kind: int
    action_id: int
    acted_by: str
    action: str
    coupon_id: int | None
    user_id: int | None
    letter: str | None
    result: str
    detail: str
    login: str | None

    @property
    def acted_at(self) -> datetime:
        """In UTC."""
        return from_microseconds(self.at_us)

    @property
    def cursor(self) -> str:
        """Names the page of older actions, for `list_actions`."""
        return f"{self.at_us}.{self.kind}.{self.action_id}"


class LastChange(NamedTuple):
    """The last change of a coupon's definition."""

    acted_at: datetime
    acted_by: str
    action: str
    detail: str


def list_actions(connection: Connection, cursor: str, most: int) -> list[AuditedAction]:
    """At most so many actions, the newest first. cursor: empty, or of the last one seen.

    Raises NotACursor and LedgerUnavailable.
    """
    found = _CURSOR.fullmatch(cursor)
    if cursor and (found is None or int(found[1]) > _NEWEST[0]):
        raise NotACursor("This is not an address that the page made. Start with the newest.")
    before = tuple(map(int, found.groups())) if found else _NEWEST
    values = dict(zip(("before_us", "before_kind", "before_id"), before, strict=True))
    with translated(connection):
        rows = connection.execute(query("list_actions"), {**values, "most": most})
        return [AuditedAction(*row) for row in rows]


def last_change(connection: Connection, coupon_id: int) -> LastChange | None:
    """Who changed a coupon's definition last; None: nobody since there is an audit trail."""
    with translated(connection):
        values = {"coupon_id": coupon_id}
        row = connection.execute(query("last_change_of_coupon"), values).fetchone()
    return None if row is None else LastChange(*row)


def last_action(connection: Connection, action: str, within: timedelta) -> AuditedAction | None:
    """The last action of this name, besides those on dead letters; None: there was none lately."""
    values = {"action": action, "within": within}
    with translated(connection):
        row = connection.execute(query("last_action"), values).fetchone()
    return None if row is None else AuditedAction(*row)


def note_action(
    connection: Connection,
    acted_by: str,
    action: str,
    result: str,
    detail: str = "",
    coupon_id: int | None = None,
) -> None:
    """Add an action that is no change of a coupon; committed on return."""
    values = {
        "acted_by": acted_by,
        "action": action,
        "coupon_id": coupon_id,
        "result": result,
        "detail": detail,
    }
    with translated(connection):
        connection.execute(query("add_operator_action"), values)
