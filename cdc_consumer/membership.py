"""Whether the client is a member of its group and reads its partitions, by its statistics."""

import json
from collections.abc import Iterator
from typing import Any


def unread(statistics: str) -> str | None:
    """Why the consumer does not read, in words; None when it reads.

    statistics: JSON of librdkafka. A member may own nothing when there are more members than
    partitions.
    """
    figures = json.loads(statistics)
    group = figures.get("cgrp", {})
    state, join_state = group.get("state"), group.get("join_state")
    if state != "up":
        return f"the group's coordinator is not reached ({state})"
    if join_state != "steady" and not group.get("assignment_size"):
        return f"it is no member of the group ({join_state})"
    if idle := sorted(_not_fetched(figures)):
        return f"{', '.join(idle)} not read"
    return None


def _not_fetched(figures: dict[str, Any]) -> Iterator[str]:
    for topic, of_topic in figures.get("topics", {}).items():
        for number, partition in of_topic["partitions"].items():
            if partition["desired"] and partition["fetch_state"] != "active":
                yield f"{topic} [{number}] ({partition['fetch_state']})"
