"""The server: worker processes that share a port, and a temporary folder for their metrics."""

import logging
import os
import socket
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
from granian.log import LogLevels
from granian.server import MPServer

from api.settings import ApiSettings
from api.stopping import STOP_SECONDS, let_signals_end_forked_workers
from coupons.errors import ConfigurationError

if TYPE_CHECKING:
    from api.rsgi import RsgiApp

log = logging.getLogger(__name__)

_LOG_TO_OUR_HANDLER = {"loggers": {"_granian": {"handlers": [], "propagate": True}}}


def load_app() -> "RsgiApp":
    """The API's application."""
    # Imported in the worker only: the metrics library reads its folder from the environment once.
    from api.bootstrap import worker_app

    return worker_app()


def serve(settings: ApiSettings, load: Callable[[], "RsgiApp"] = load_app) -> None:
    """Serve until SIGTERM or SIGINT, then answer every request that was accepted, and return.

    load: called in each worker process; returns its application. Raises ConfigurationError
    when the port is taken.
    """
    _check_port(settings.api_host, settings.api_port)
    with TemporaryDirectory(prefix="coupon-api-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        scheme = "https" if settings.api_certificate_file else "http"
        let_signals_end_forked_workers()
        log.info("listening on %s://%s:%d", scheme, settings.api_host, settings.api_port)
        _server(settings).serve(
            target_loader=load,  # type: ignore[arg-type]  # an object will do
            wrap_loader=False,
        )


def _server(settings: ApiSettings) -> MPServer:
    return MPServer(
        "api",
        interface=Interfaces.RSGI,
        loop=Loops.asyncio,
        address=settings.api_host,
        port=settings.api_port,
        workers=settings.api_workers,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        backpressure=settings.api_max_connections,
        http=HTTPModes.http1,
        websockets=False,
        ssl_cert=settings.api_certificate_file,
        ssl_key=settings.api_key_file,
        ssl_protocol_min=SSLProtocols.tls12,
        log_level=LogLevels.error,
        log_dictconfig=_LOG_TO_OUR_HANDLER,
    )


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
