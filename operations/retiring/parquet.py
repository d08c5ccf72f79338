"""The files of a retired coupon: their columns, and how they are written and read."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from coupons.ledger.retired import Row

_MOMENT = pa.timestamp("us", tz="UTC")


def _schema(*columns: tuple[str, pa.DataType, bool]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable) for name, kind, nullable in columns])


SCHEMAS = {
    "requests": _schema(
        ("user_id", pa.int64(), False),
        ("requested_at", _MOMENT, False),
        ("status", pa.string(), False),
        ("reason", pa.string(), True),
        ("final_at", _MOMENT, True),
        ("expires_at", _MOMENT, True),
    ),
    "changes": _schema(
        ("user_id", pa.int64(), False),
        ("change_number", pa.int32(), False),
        ("from_state", pa.string(), False),
        ("to_state", pa.string(), False),
        ("changed_at", _MOMENT, False),
        ("changed_by", pa.string(), False),
        ("order_reference", pa.string(), True),
        ("reason", pa.string(), True),
    ),
    "codes": _schema(
        ("code", pa.string(), False),
        ("kind", pa.string(), False),
        ("user_id", pa.int64(), True),
        ("given_at", _MOMENT, True),
        ("added_at", _MOMENT, False),
    ),
}
"""By the name of the file; the columns are those of the query export_NAME."""


def page_of(name: str, rows: Iterable[Row]) -> pa.Table:
    """Rows of the ledger in the form of this file."""
    schema = SCHEMAS[name]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(each, field.type) for each, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_pages(path: Path, name: str, pages: Iterable[pa.Table]) -> int:
    """Write the file, so that it is on the disk on return; how many rows it has."""
    rows = 0
    with path.open("xb") as file:
        with pq.ParquetWriter(file, SCHEMAS[name], compression="zstd") as writer:
            for page in pages:
                writer.write_table(page, row_group_size=max(1, page.num_rows))
                rows += page.num_rows
        file.flush()
        os.fsync(file.fileno())
    return rows


def read_pages(path: Path) -> Iterator[pa.Table]:
    """The pages as they were written."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)


def pages_with(path: Path, user_id: int, stay: Callable[[], object]) -> bool:
    """Whether a row of the file is this user's; reads one column. stay: called with each page."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            stay()
            column = file.read_row_group(number, columns=["user_id"]).column(0)
            if column.index(pa.scalar(user_id, pa.int64())).as_py() >= 0:
                return True
    return False
