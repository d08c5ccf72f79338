"""The server: worker processes that share a port, and a temporary folder for their metrics."""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from api.metrics_folder import metrics_folder
from api.settings import ApiSettings
from api.stopping import STOP_SECONDS, let_signals_end_forked_workers
from coupons.errors import ConfigurationError

if TYPE_CHECKING:
    from api.rsgi import RsgiApp

log = logging.getLogger(__name__)

RESTART_SECONDS = 1.0
LARGEST_HEAD_BYTES = 65_536
"""Above this the server itself refuses a request line with headers. The application allows less
(`api/environ.py`), so that it can respond with a problem document."""

_LOG_TO_OUR_HANDLER = {"loggers": {"_granian": {"handlers": [], "propagate": True}}}


def load_app() -> "RsgiApp":
    """The API's application."""
    # Imported in the worker only: the metrics library reads its folder from the environment once.
    from api.worker import worker_app

    return worker_app()


def serve(settings: ApiSettings, load: Callable[[], "RsgiApp"] = load_app) -> None:
    """Serve until SIGTERM or SIGINT, then finish every request that was accepted, and return.

    After SIGTERM it takes requests for COUPON_API_DRAIN_SECONDS more, without a management address.
    load: called in each worker process; returns its application. Raises ConfigurationError
    when a port is taken.
    """
    _check_port("COUPON_API_PORT", settings.api_host, settings.api_port)
    _check_port(
        "COUPON_API_MANAGEMENT_PORT", settings.api_management_host, settings.api_management_port
    )
    with metrics_folder() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        scheme = "https" if settings.api_certificate_file else "http"
        let_signals_end_forked_workers()
        log.info("listening on %s://%s:%d", scheme, settings.api_host, settings.api_port)
        with _management() as leave:
            _server(settings, leave).serve(
                target_loader=load,  # type: ignore[arg-type]  # any object works
                wrap_loader=False,
            )


@contextmanager
def _management() -> Iterator[Callable[[], None]]:
    """Keep the process of the management address running, until the returned function is called."""
    stopping = Event()
    command = [sys.executable, "-m", "api.management", str(os.getpid())]
    running = [subprocess.Popen(command)]  # noqa: S603

    def keep() -> None:
        while not stopping.is_set():
            code = running[0].wait()
            if not stopping.wait(RESTART_SECONDS):
                log.error("the management process ended with exit code %d; started again", code)
                running[0] = subprocess.Popen(command)  # noqa: S603

    keeper = Thread(target=keep, name="management-keeper", daemon=True)
    keeper.start()

    def leave() -> None:
        stopping.set()
        running[0].terminate()

    try:
        yield leave
    finally:
        leave()
        _end(running[0])


def _end(process: "subprocess.Popen[bytes]", patience_s: float = STOP_SECONDS) -> None:
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        log.warning("the management process did not stop within %.0f s; killed", patience_s)
        process.kill()


class _DrainingServer(MPServer):
    """On SIGTERM it leaves the load balancers first, and stops after `drain_s` seconds.

    Another signal meanwhile, or SIGINT, stops it at once.
    """

    leave: Callable[[], None]
    drain_s: float

    def signal_handler_interrupt(self, *args: Any, **_: Any) -> None:
        """The server's own handler of SIGTERM and SIGINT, in the main thread."""
        drain_s, self.drain_s = self.drain_s, 0.0
        if args[0] != signal.SIGTERM or not drain_s:
            self._stop()
            return
        self.leave()
        timer = Timer(drain_s, self._stop)
        timer.daemon = True
        timer.start()

    def _stop(self) -> None:
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]


def _server(settings: ApiSettings, leave: Callable[[], None]) -> MPServer:
    server = _DrainingServer(
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
        http1_settings=HTTP1Settings(
            header_read_timeout=int(settings.api_idle_seconds * 1000),
            max_buffer_size=LARGEST_HEAD_BYTES,
        ),
        websockets=False,
        ssl_cert=settings.api_certificate_file,
        ssl_key=settings.api_key_file,
        ssl_protocol_min=SSLProtocols.tls12,
        log_level=LogLevels.error,
        log_dictconfig=_LOG_TO_OUR_HANDLER,
    )
    server.leave, server.drain_s = leave, settings.api_drain_seconds
    return server


def _check_port(variable: str, host: str, port: int) -> None:
    """Refuse a taken port. The server would start on it and share the other one's traffic."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"{variable} is {port}: {host}:{port} cannot be used: {error.strerror};"
            " stop what uses it or choose another port"
        ) from error
