"""The server: worker processes that share a port, and a temporary folder for their metrics."""

import logging
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.log import LogLevels
from granian.server import MPServer

from api.settings import ApiSettings
from api.stopping import STOP_SECONDS
from coupons.errors import ConfigurationError

log = logging.getLogger(__name__)

IDLE_THREAD_SECONDS = 30

_LOG_TO_OUR_HANDLER = {"loggers": {"_granian": {"handlers": [], "propagate": True}}}


def load_app() -> Callable[..., Any]:
    """The API's application."""
    # Imported in the worker only: the metrics library reads its folder from the environment once.
    from api.bootstrap import worker_app

    return worker_app()


def serve(settings: ApiSettings, load: Callable[[], Callable[..., Any]] = load_app) -> None:
    """Serve until SIGTERM or SIGINT, then answer every request that was accepted, and return.

    load: called in each worker process; returns its WSGI application. Raises ConfigurationError
    when the port is taken.
    """
    _check_port(settings.api_host, settings.api_port)
    with TemporaryDirectory(prefix="coupon-api-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        scheme = "https" if settings.api_certificate_file else "http"
        log.info("listening on %s://%s:%d", scheme, settings.api_host, settings.api_port)
        _server(settings).serve(target_loader=partial(_load_worker, load), wrap_loader=False)


def _server(settings: ApiSettings) -> MPServer:
    return MPServer(
        "api",
        interface=Interfaces.WSGI,
        address=settings.api_host,
        port=settings.api_port,
        workers=settings.api_workers,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        # Threads are made when needed and end when idle. Those of long polls come on top, so that
        # waiting clients leave claims theirs.
        blocking_threads=settings.api_claim_threads + settings.api_max_waiters,
        blocking_threads_idle_timeout=IDLE_THREAD_SECONDS,
        backpressure=settings.api_max_connections,
        http=HTTPModes.http1,
        websockets=False,
        ssl_cert=settings.api_certificate_file,
        ssl_key=settings.api_key_file,
        ssl_protocol_min=SSLProtocols.tls12,
        log_level=LogLevels.error,
        log_dictconfig=_LOG_TO_OUR_HANDLER,
    )


def _load_worker(load: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    # Until the server sets its handlers, the parent's would swallow a signal to stop.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_DFL)
    return load()


def _check_port(host: str, port: int) -> None:
    """The server would start happily beside another one on the port, and share its traffic."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"COUPON_API_PORT is {port}: {host}:{port} cannot be listened on: {error.strerror};"
            " stop what uses it or choose another port"
        ) from error
