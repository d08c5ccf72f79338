"""Names of the topics, their sizes and the reader schemas of their values."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from fastavro import parse_schema

REQUEST_TOPIC = "coupon.public.coupon_issue_request"
HEARTBEAT_TOPIC = "coupon.public.cdc_heartbeat"
DEAD_LETTER_TOPIC = "coupon.dead-letters"

REQUEST_PARTITIONS = 10
HEARTBEAT_PARTITIONS = 1

READER_SCHEMAS = {REQUEST_TOPIC: "issue_request", HEARTBEAT_TOPIC: "heartbeat"}
"""Which file of schemas/ says what is read of a topic's values."""

_FOLDER = Path(__file__).parent / "schemas"


@cache
def reader_schema(topic: str) -> Any:
    """The reader schema of a topic's values, as fastavro parsed it. Raises KeyError."""
    return parse_schema(json.loads((_FOLDER / f"{READER_SCHEMAS[topic]}.avsc").read_text()))
