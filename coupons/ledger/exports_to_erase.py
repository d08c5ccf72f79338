"""Users who were erased from the ledger, and may still be in the files of retired coupons."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from coupons.ledger.connection import Connection, translated
from coupons.queries import query


class ExportToErase(NamedTuple):
    """The export of a coupon that has to be looked through. folder: None: it is being written."""

    coupon_id: int
    user_id: int
    folder: str | None


def list_exports_to_erase(
    connection: Connection, user_id: int | None = None
) -> list[ExportToErase]:
    """Those that are open, of one user or of all, in order of the coupon."""
    with translated(connection):
        values = {"user_id": user_id}
        rows = connection.execute(query("list_exports_to_erase"), values).fetchall()
    return [ExportToErase(*row) for row in rows]


def count_exports_to_erase(connection: Connection, erasure_id: UUID | None = None) -> int:
    """How many exports may still name a user of this erasure, or of any."""
    with translated(connection):
        values = {"erasure_id": erasure_id}
        row = connection.execute(query("count_exports_to_erase"), values).fetchone()
    assert row is not None
    return int(row[0])


def note_erased_export(
    connection: Connection, export: ExportToErase, files: Mapping[str, Any], acted_by: str
) -> None:
    """Note that the files, as they are now, do not name the user any more, and commit."""
    values = {
        "coupon_id": export.coupon_id,
        "user_id": export.user_id,
        "files": Jsonb(files),
        "acted_by": acted_by,
    }
    with translated(connection):
        connection.execute(query("note_erased_export"), values)
