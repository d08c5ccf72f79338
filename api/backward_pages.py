"""Pages of what is numbered, the greatest number first; the cursor is the last number shown."""

import re
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from api.cursors import read_cursor, write_cursor
from api.fields import WholeNumber
from api.openapi_parts import number_query

MOST_ITEMS = 100

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")

T = TypeVar("T")


class BackwardPage(BaseModel):
    """Query of a page."""

    model_config = ConfigDict(extra="forbid")

    page_size: WholeNumber = Field(default=20, ge=1, le=MOST_ITEMS)
    cursor: str | None = Field(default=None, max_length=100)

    def before(self, newest: int) -> int:
        """What the numbers of the page are below. newest: for the first page. Raises Problem."""
        if self.cursor is None:
            return newest
        return int(read_cursor(self.cursor, _NUMBER)[0])

    def shown(self, found: list[T]) -> tuple[list[T], T | None]:
        """The items of the page, and the last of them if there are more.

        found: one item more than the page has, if there is one.
        """
        shown = found[: self.page_size]
        return shown, shown[-1] if len(found) > len(shown) else None

    def next_link(self, path: str, cursor: str | None) -> dict[str, str]:
        """The header that leads to the next page; none after the last one."""
        if cursor is None:
            return {}
        again = {**self.model_dump(exclude_none=True), "cursor": cursor}
        return {"link": f'<{path}?{urlencode(again)}>; rel="next"'}


def cursor_before(number: int) -> str:
    """The cursor of the page below this number; opaque to clients."""
    return write_cursor(str(number))


def page_parameters() -> list[dict[str, Any]]:
    """The parameters of every such page in the API's description."""
    cursor = {
        "name": "cursor",
        "in": "query",
        "description": "`next_cursor` of the page before",
        "schema": {"type": "string", "maxLength": 100},
    }
    return [
        number_query(
            "page_size", "integer", "Most items of the page; 20 if left out", 1, MOST_ITEMS
        ),
        cursor,
    ]
