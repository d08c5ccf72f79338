"""Query strings, checked strictly."""

import re
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.cursors import foreign_cursor, read_cursor, write_cursor
from api.fields import CouponId, DecimalNumber, WholeNumber
from coupons.ids import MAX_COUPON_ID
from coupons.model import IssuedState, from_microseconds, to_microseconds

LONGEST_WAIT_SECONDS = 30

_CURSOR = re.compile(r"([0-9]{1,17})\.([1-9][0-9]{0,17})")
"""A cursor of issued coupons: microseconds since 1970, and a coupon id."""
_CHANGE_CURSOR = re.compile(r"[1-9][0-9]{0,8}")
"""A cursor of changes: the number of one."""


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StatusQuery(_Query):
    """Query of GET /issue-requests/{id}: seconds to wait for a final status."""

    wait: DecimalNumber = Field(default=0, le=LONGEST_WAIT_SECONDS)


class _PagedQuery(_Query):
    page_size: WholeNumber = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=100)

    def _last(self, form: re.Pattern[str]) -> re.Match[str] | None:
        """What the cursor says of the last item before the page; None: it is the first page."""
        return None if self.cursor is None else read_cursor(self.cursor, form)


class PageQuery(_PagedQuery):
    """Query of GET /users/me/coupons. state, coupon_id: only those."""

    state: IssuedState | None = None
    coupon_id: CouponId | None = None

    def after(self) -> tuple[datetime, int] | None:
        """The (issued_at, coupon_id) of the last item before the page. Raises Problem."""
        last = self._last(_CURSOR)
        if last is None:
            return None
        if int(last[2]) > MAX_COUPON_ID:
            raise foreign_cursor()
        try:
            return from_microseconds(int(last[1])), int(last[2])
        except ValueError:
            raise foreign_cursor() from None


class ChangesQuery(_PagedQuery):
    """Query of GET /issued-coupons/{id}/changes."""

    def after(self) -> int:
        """The number of the last change before the page; 0: it begins with the first."""
        last = self._last(_CHANGE_CURSOR)
        return 0 if last is None else int(last[0])


def cursor_of(issued_at: datetime, coupon_id: int) -> str:
    """The cursor of the page after this issued coupon; opaque to clients."""
    return write_cursor(f"{to_microseconds(issued_at)}.{coupon_id}")


def change_cursor_of(number: int) -> str:
    """The cursor of the page after this change."""
    return write_cursor(str(number))
