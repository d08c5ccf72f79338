"""Measures the time from a request's admission to the notification that it is final."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from coupons.gate.gate import Gate
from coupons.gate.refusals import REDIS_ERRORS, translated
from coupons.gate.values import SETTLED_CHANNEL, parse_settled

_POLL_SECONDS = 0.1


@contextmanager
def watched_delays(gate: Gate, coupon_id: int | None = None) -> Iterator[list[float]]:
    """Listen while the block runs; yields a list that gets each delay, in milliseconds.

    coupon_id: of this coupon only; None: of all.

    From the request's admission by the Redis server's clock to the notification of this process:
    both should share a clock. While Redis cannot be reached nothing is heard; afterwards it is
    again. Raises RedisUnavailable at the beginning.
    """
    delays_ms: list[float] = []
    subscriber = gate.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    try:
        with translated():
            subscriber.subscribe(SETTLED_CHANNEL)
    except BaseException:
        subscriber.close()
        raise
    stop = Event()

    def listen() -> None:
        while not stop.is_set():
            try:
                message = subscriber.get_message(timeout=_POLL_SECONDS)
            except REDIS_ERRORS:
                stop.wait(_POLL_SECONDS)  # the next call connects and subscribes again
                continue
            if message:
                now_us = time.time() * 1_000_000
                settled = parse_settled(message["data"])
                delays_ms.extend(
                    (now_us - each.requested_at_us) / 1000
                    for each in settled
                    if coupon_id in (None, each.coupon_id)
                )

    thread = Thread(target=listen, name="delays", daemon=True)
    thread.start()
    try:
        yield delays_ms
    finally:
        stop.set()
        thread.join()
        subscriber.close()


def percentile(values: Sequence[float], percent: float) -> float | None:
    """By nearest rank; None without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else None
