"""How far the connector has read, from the offsets that Debezium stores."""

from typing import Any

import pytest

from connectors.offsets import position_of

AFTER_A_ROW_OF_A_LATER_COMMIT = {
    "lsn_proc": 69279256,
    "lsn_events_processed": 1,
    "messageType": "INSERT",
    "lsn_commit": 71593408,
    "lsn": 69279256,
    "txId": 13786,
}
"""Stored by Debezium 3.7 after 17,000 rows of one transaction, which was written beside others."""


@pytest.mark.parametrize(
    ("offset", "position"),
    [
        (AFTER_A_ROW_OF_A_LATER_COMMIT, 71593408),
        ({"lsn_proc": 72082672, "lsn_commit": 72079576, "lsn": 72082672}, 72082672),
        ({"lsn": 7}, 7),
        ({"lsn": None, "lsn_commit": None}, None),
        ({}, None),
    ],
)
def test_the_later_one_of_row_and_commit_counts(
    offset: dict[str, Any], position: int | None
) -> None:
    """The slot is confirmed up to the commit: a smaller position would look like a gap."""
    assert position_of(offset) == position
