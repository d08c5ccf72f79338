"""Restarts a failed connector task, ever less often: what made it fail may have passed."""

import logging
from threading import Event

from connectors.lifecycle import restart_failed
from coupons.backoff import Backoff
from coupons.errors import ConnectorError
from reconciler.metrics import CONNECTOR_RESTARTS

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 5.0


def watch_connector(connect_url: str, stop: Event) -> None:
    """Look after the connector until `stop` is set.

    Debezium does not try again by itself after an error that it takes for final, such as a schema
    registry that answered wrongly while its database was away. A paused connector is left alone.
    """
    pause, backoff = LOOK_EVERY_SECONDS, Backoff(2 * LOOK_EVERY_SECONDS, LONGEST_PAUSE_SECONDS)
    told: str | None = None
    while not stop.wait(pause):
        try:
            failure = restart_failed(connect_url).failure
        except ConnectorError as error:
            told = _tell(told, str(error))
            pause = LOOK_EVERY_SECONDS
            backoff.reset()
            continue
        if failure is None:
            pause, told = LOOK_EVERY_SECONDS, None
            backoff.reset()
        else:
            CONNECTOR_RESTARTS.inc()
            pause = backoff.next_seconds()
            told = _tell(told, f"the connector had failed and was restarted: {failure}")


def _tell(told: str | None, what: str) -> str:
    """Log what is new; an outage is told once."""
    if what != told:
        log.warning("%s", what)
    return what
