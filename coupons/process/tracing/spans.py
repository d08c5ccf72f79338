"""Spans, and the rules by which all processes agree on them.

The id of a request has 128 bits, as the id of a trace has. So it is the id of its trace. Whether a
request is sampled, and the ids of the spans that have children in other processes, follow from it
too. So nothing is carried through Postgres and Kafka.
"""

from collections.abc import Mapping
from hashlib import sha256
from secrets import randbits
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from coupons.ids import request_id_text

CLAIM, ISSUE = "claim", "issue"
"""The stages whose spans have children in other processes."""

Attributes = Mapping[str, str | int | bool]

_two_numbers = Struct(">QQ").pack


class Span(NamedTuple):
    """What one process did for one request, or for the batch that the request was in.

    parent_id: None for the root. Times are nanoseconds since 1970 by the clock of this machine.
    """

    coupon_id: int
    user_id: int
    name: str
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int
    attributes: Attributes
    failed: bool = False


def sample_bound(ratio: float) -> int:
    """The bound for `is_sampled`. ratio: of the requests, 0 to 1."""
    return round(ratio * 2**32)


def is_sampled(coupon_id: int, user_id: int, bound: int) -> bool:
    """Whether the request is traced: the same in every process with the same bound.

    By the CRC-32 of coupon and user, which are the content of the request's id.
    """
    return crc32(_two_numbers(coupon_id, user_id)) < bound


def stage_span_id(coupon_id: int, user_id: int, stage: str) -> int:
    """The span id of a request's stage: the first 8 bytes of SHA-256 of "REQUEST_ID/STAGE"."""
    text = f"{request_id_text(coupon_id, user_id)}/{stage}"
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big")


def new_span_id() -> int:
    """A span id at random, for a span without children in other processes."""
    return randbits(64) or 1
