"""Restarts a failed connector task, with growing pauses: the cause may be over."""

import logging
from threading import Event

from connectors.connect import Connect
from connectors.events import EVENTS_CONNECTOR
from connectors.lifecycle import CONNECTOR_NAME, restart_failed
from coupons.backoff import Backoff
from coupons.errors import ConnectorError
from reconciler.metrics import CONNECTOR_RESTARTS

log = logging.getLogger(__name__)

CONNECTORS = (CONNECTOR_NAME, EVENTS_CONNECTOR)
CHECK_EVERY_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 5.0


def watch_connector(connect_url: str, name: str, stop: Event) -> None:
    """Restart a connector of CONNECTORS whenever it failed, until `stop` is set.

    Debezium does not retry after an error that it considers final, such as a wrong answer of the
    schema registry while its database was down. A paused connector stays paused. That of the events
    for other services is there only while they are on.
    """
    connect = Connect(connect_url)
    restarts = CONNECTOR_RESTARTS.labels(name)
    backoff = Backoff(2 * CHECK_EVERY_SECONDS, LONGEST_PAUSE_SECONDS)
    pause, logged = CHECK_EVERY_SECONDS, None
    while not stop.wait(pause):
        fault, failed = _look(connect, name)
        if fault is not None and fault != logged:
            log.warning("%s", fault)
        logged = fault
        if failed:
            restarts.inc()
            pause = backoff.next_seconds()
        else:
            pause = CHECK_EVERY_SECONDS
            backoff.reset()


def _look(connect: Connect, name: str) -> tuple[str | None, bool]:
    """What to log about the connector, and whether it had failed and was restarted."""
    try:
        state = restart_failed(connect, name)
    except ConnectorError as error:
        return str(error), False
    if state is not None and state.failure is not None:
        return f"connector {name} had failed and was restarted: {state.failure}", True
    if state is None and name == CONNECTOR_NAME:
        return f"there is no connector {name}: `coupon connector register` creates it", False
    return None, False
