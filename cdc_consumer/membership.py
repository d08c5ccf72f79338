"""Whether the client is a member of its group and reads its partitions, by its statistics."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple


class NotReading(NamedTuple):
    """Why a consumer does not read. is_member: False while it is outside of its group."""

    why: str
    is_member: bool


def not_reading(statistics: str) -> NotReading | None:
    """Why the consumer does not read; None when it reads.

    statistics: JSON of librdkafka. A member may own nothing when there are more members than
    partitions.
    """
    figures = json.loads(statistics)
    group = figures.get("cgrp", {})
    state, join_state = group.get("state"), group.get("join_state")
    if state != "up":
        return NotReading(f"the group's coordinator is not reached ({state})", False)
    if join_state != "steady" and not group.get("assignment_size"):
        return NotReading(f"it is no member of the group ({join_state})", False)
    if idle := sorted(_not_fetched(figures)):
        return NotReading(f"{', '.join(idle)} not read", True)
    return None


def _not_fetched(figures: dict[str, Any]) -> Iterator[str]:
    for topic, of_topic in figures.get("topics", {}).items():
        for number, partition in of_topic["partitions"].items():
            if partition["desired"] and partition["fetch_state"] != "active":
                yield f"{topic} [{number}] ({partition['fetch_state']})"
