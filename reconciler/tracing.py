"""Spans of requests that a pass repairs."""

from collections.abc import Iterable
from time import time_ns

from coupons.process.tracing import CLAIM, ISSUE, Span, Tracer, new_span_id, stage_span_id

ROLL_FORWARD, MARK = "roll forward", "mark"

_AFTER = {ROLL_FORWARD: CLAIM, MARK: ISSUE}
"""The stage that each repair follows."""


def trace_repairs(
    tracer: Tracer | None, name: str, keys: Iterable[tuple[int, int]], start_ns: int
) -> None:
    """Emit a span for each sampled request that was repaired since start_ns.

    name: ROLL_FORWARD or MARK. keys: coupon and user of each. tracer: None when tracing is off.
    """
    if tracer is None:
        return
    for key in keys:
        if tracer.samples(*key):
            parent = stage_span_id(*key, _AFTER[name])
            about = {"repair": True}
            tracer.emit(Span(*key, name, new_span_id(), parent, start_ns, time_ns(), about))
