"""The API's management address: readiness and metrics, for operators.

    python -m api.management PARENT

`api.server` starts it as a process of its own beside the workers. So it takes no time from claims,
and its port can be kept private. It ends when the process with the id PARENT has ended.
"""

import http.client
import os
import ssl
import sys
from pathlib import Path
from threading import Event

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import mark_process_dead

from api.metrics import API
from api.routes.health import Readiness
from api.settings import ApiSettings
from coupons.gate import connect_gate
from coupons.ledger.connection import ledger_pool
from coupons.process.main import run_process, stop_on_signals
from coupons.process.metrics import exposition
from coupons.process.probes import Page, ProbeServer, json_page
from coupons.process.token_keys import load_verifier

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
WORKERS_ANSWER_SECONDS = 2.0
ANSWER_TIMEOUT_SECONDS = 2.0
CHECK_SECONDS = 0.5


def main() -> int:
    """Serve until SIGTERM, or until the parent process has ended."""
    parent = int(sys.argv[1])
    stopping = stop_on_signals()
    return run_process(ApiSettings, lambda settings: _run(settings, parent, stopping), warns=False)


def _run(settings: ApiSettings, parent: int, stopping: Event) -> None:
    server = serve_management(settings)
    while os.getppid() == parent and not stopping.wait(CHECK_SECONDS):
        pass
    server.shutdown()


def serve_management(settings: ApiSettings) -> ProbeServer:
    """Serve /readyz and /metrics until `shutdown()`. Raises ConfigurationError."""
    gate = connect_gate(settings.redis_url.get_secret_value())
    url = settings.database_url.get_secret_value()
    pool = ledger_pool(url, "coupon-api-ready", 1, ANSWER_TIMEOUT_SECONDS)
    # The workers read key sets by themselves; what this process can read, they can too.
    check_keys = load_verifier(settings).check if settings.jwt_key_sets else None
    readiness = Readiness(gate, pool, lambda: _ask_workers(settings), check_keys)

    def readyz() -> Page:
        return json_page(*readiness.check())

    return ProbeServer(
        settings.api_management_host,
        settings.api_management_port,
        {"/readyz": readyz, "/metrics": metrics_page},
    )


def metrics_page() -> Page:
    """The metrics of all workers together, in the text format of Prometheus."""
    if METRICS_FOLDER in os.environ:
        _forget_dead_workers(Path(os.environ[METRICS_FOLDER]))
    return Page(200, CONTENT_TYPE_LATEST, exposition(API))


def _forget_dead_workers(folder: Path) -> None:
    """Drop the gauges of dead workers: they have no long polls, for example."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path("/proc", str(pid)).exists():
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def _ask_workers(settings: ApiSettings) -> None:
    """Call the public port as a client does. Raises OSError when no worker responds."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)  # noqa: S104
    connection = _connection(settings, host)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except http.client.HTTPException as error:
        raise OSError(f"the workers send no valid response: {error!r}") from error
    finally:
        connection.close()
    if status != http.client.OK:
        raise OSError(f"the workers respond with {status}")


def _connection(settings: ApiSettings, host: str) -> http.client.HTTPConnection:
    if settings.api_certificate_file is None:
        return http.client.HTTPConnection(host, settings.api_port, timeout=WORKERS_ANSWER_SECONDS)
    # The certificate is for the name that clients use; here the peer is this machine.
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(
        host, settings.api_port, timeout=WORKERS_ANSWER_SECONDS, context=unchecked
    )


if __name__ == "__main__":
    sys.exit(main())
