"""Restarts a failed connector task, with growing pauses: the cause may be over."""

import logging
from threading import Event

from connectors.lifecycle import restart_failed
from coupons.backoff import Backoff
from coupons.errors import ConnectorError
from reconciler.metrics import CONNECTOR_RESTARTS

log = logging.getLogger(__name__)

CHECK_EVERY_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 5.0


def watch_connector(connect_url: str, stop: Event) -> None:
    """Restart the connector whenever it failed, until `stop` is set.

    Debezium does not retry after an error that it considers final, such as a wrong answer of the
    schema registry while its database was down. A paused connector stays paused.
    """
    pause = CHECK_EVERY_SECONDS
    backoff = Backoff(2 * CHECK_EVERY_SECONDS, LONGEST_PAUSE_SECONDS)
    logged: str | None = None
    while not stop.wait(pause):
        try:
            failure = restart_failed(connect_url).failure
        except ConnectorError as error:
            logged = _log_once(logged, str(error))
            pause = CHECK_EVERY_SECONDS
            backoff.reset()
            continue
        if failure is None:
            pause, logged = CHECK_EVERY_SECONDS, None
            backoff.reset()
        else:
            CONNECTOR_RESTARTS.inc()
            pause = backoff.next_seconds()
            logged = _log_once(logged, f"the connector had failed and was restarted: {failure}")


def _log_once(logged: str | None, message: str) -> str:
    """Log a new message; the same message is logged once."""
    if message != logged:
        log.warning("%s", message)
    return message
