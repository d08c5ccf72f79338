"""What the monitor reads from Kafka and Connect: offsets, their rates, connectors and tasks."""

import time
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from connectors.connect import Connect
from connectors.connector_state import ConnectorState, read_state
from connectors.events import EVENTS_CONNECTOR
from connectors.lifecycle import CONNECTOR_NAME
from coupons.change_events import REQUEST_TOPIC
from coupons.change_events.offsets import OffsetReader, lags
from coupons.errors import CouponError
from coupons.kafka.client import KafkaClient

RATE_SECONDS = 20.0
"""Rates are measured over so long, in seconds."""

KEEPS_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class KafkaState:
    """Of the request topic. captured, consumed: the sums of its end and committed offsets.

    lag: records that the group has not committed. Rates in events a second; None: not known yet.
    catch_up_s: until the lag is 0 at these rates; None: it does not shrink, or is not known yet.
    Under a steady load there is always some lag: if it is less than KEEPS_UP_SECONDS of what is
    consumed, so many seconds.
    """

    captured: int
    consumed: int
    lag: int
    captured_per_s: float | None
    consumed_per_s: float | None
    catch_up_s: float | None


@dataclass(frozen=True, slots=True)
class Connector:
    """state: None: there is no connector. events: that of the events for other services."""

    state: ConnectorState | None
    events: ConnectorState | None


class _Point(NamedTuple):
    at_s: float
    captured: int
    consumed: int
    lag: int


class Rates:
    """The rates between the oldest and the newest reading of the last RATE_SECONDS."""

    def __init__(self) -> None:
        self._points: deque[_Point] = deque()

    def note(self, at_s: float, captured: int, consumed: int, lag: int) -> KafkaState:
        """The state with the rates until `at_s`, in seconds of any clock that does not jump."""
        points = self._points
        if points and (captured < points[-1].captured or consumed < points[-1].consumed):
            points.clear()  # the topic or the group was made again
        points.append(_Point(at_s, captured, consumed, lag))
        while points[0].at_s < at_s - RATE_SECONDS:
            points.popleft()
        seconds = at_s - points[0].at_s
        if not seconds:
            return KafkaState(captured, consumed, lag, None, None, None if lag else 0.0)
        into = (captured - points[0].captured) / seconds
        out = (consumed - points[0].consumed) / seconds
        shrinks = (points[0].lag - lag) / seconds
        catch_up = 0.0 if not lag else lag / shrinks if shrinks > 0 else None
        if 0 < lag < out * KEEPS_UP_SECONDS:
            catch_up = lag / out
        return KafkaState(captured, consumed, lag, into, out, catch_up)


class KafkaReader:
    """For one thread."""

    def __init__(self, kafka: KafkaClient, group: str) -> None:
        self._offsets = OffsetReader(kafka, group)
        self._rates = Rates()

    def read(self) -> KafkaState:
        """Raises KafkaUnavailable, and CouponError for a missing topic."""
        spans = self._offsets.spans(REQUEST_TOPIC)
        if not spans:
            raise CouponError(
                f"there is no topic {REQUEST_TOPIC}: `coupon connector register` makes it"
            )
        # The ends were read before: a request that is handled meanwhile never counts as lag.
        committed = self._offsets.committed(spans)
        lag = sum(lags(spans, committed).values())
        captured = sum(end for _, end in spans.values())
        return self._rates.note(time.monotonic(), captured, sum(committed.values()), lag)


class ConnectReader:
    """For one thread. It does not wait for a rebalance: the next reading is soon."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._connect = Connect(url, timeout_s, rebalance_s=0.0)

    def read(self) -> Connector:
        """Raises ConnectorError."""
        names = CONNECTOR_NAME, EVENTS_CONNECTOR
        return Connector(*(read_state(self._connect, name) for name in names))
