"""The four designs as running systems on one embedded stack."""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import psycopg

from benchmarks.harness.processes import OwnProcess, Part, StackPart
from benchmarks.strategies.outbox import create_tables
from coupons.queries import query
from stack.disposable import DisposableStack
from stack.errors import SettingError
from stack.ports import check_free

OURS = "cdc"
ONE_INSERT = "cdc, one INSERT a request"
DESIGNS = ("redis_queue", "redis_kafka", "outbox", OURS)
API = "API"
PORTS = range(20_000, 32_000)
STANDBY_WITHIN_SECONDS = 20.0
SERVERS = ("postgres", "valkey", "kafka", "connect", "registry")

_ONE_INSERT_SETTINGS = {"COUPON_API_BATCH_SIZE": "1", "COUPON_API_BATCHES_IN_FLIGHT": "16"}
_WORKERS = {"redis_queue": ("worker", "consumer"), "outbox": ("publisher", "api")}
"""Designs with a worker process besides the API: the worker's name and its Postgres role."""


@dataclass(frozen=True)
class Design:
    """A running design; it is a target of load.

    parts: its processes by name, the API first. idling: those of them that poll, and are suspended
    while another design is measured.
    """

    name: str
    stack: DisposableStack
    environment: Mapping[str, str]
    parts: Mapping[str, Part]
    idling: tuple[OwnProcess, ...] = ()

    def token(self, user_id: int, *scopes: str) -> str:
        """A token of the stack: all designs share its users."""
        return self.stack.token(user_id, *scopes)

    def database_url(self, role: str, /) -> str:
        """The stack's Postgres, which all designs share."""
        return self.stack.database_url(role)

    def pids(self) -> dict[str, int]:
        """Process ids by name: of its own processes and of the servers."""
        own = {name: part.pid() for name, part in self.parts.items()}
        return own | {name: self.stack.pid(name) for name in SERVERS}


@contextmanager
def running_designs(stack: DisposableStack) -> Iterator[dict[str, Design]]:
    """Start the processes of each design; yields the designs by name, ours (the stack) last."""
    create_tables(stack.database_url("owner"))
    with ExitStack() as running:
        running.enter_context(_reconciler_on_standby(stack))
        designs = [running.enter_context(_running(stack, name)) for name in DESIGNS if name != OURS]
        # All start in parallel; wait for them only now.
        started = [part for design in designs for part in design.parts.values()]
        for part in started:
            if isinstance(part, OwnProcess):
                part.await_ready()
        own: dict[str, Part] = {
            API: StackPart(stack, "api"),
            "consumer": StackPart(stack, "consumer-1"),
        }
        designs.append(Design(OURS, stack, stack.environment, own))
        yield {design.name: design for design in designs}


@contextmanager
def running_one_insert(stack: DisposableStack) -> Iterator[Design]:
    """Our own design without its group commit, in addition to the others."""
    with _running_api(stack, ("api",), _ONE_INSERT_SETTINGS) as (api, url):
        api.await_ready()
        parts: dict[str, Part] = {API: api, "consumer": StackPart(stack, "consumer-1")}
        yield Design(ONE_INSERT, stack, {**stack.environment, "COUPON_API_URL": url}, parts)


@contextmanager
def alone(design: Design, others: Mapping[str, Design]) -> Iterator[None]:
    """While the block runs, the polling processes of the other designs are suspended."""
    suspended = [each for other in others.values() if other != design for each in other.idling]
    for each in suspended:
        each.suspend()
    try:
        yield
    finally:
        for each in suspended:
            each.resume()


@contextmanager
def _running(stack: DisposableStack, name: str) -> Iterator[Design]:
    with ExitStack() as running:
        module = ("benchmarks.strategies", "api", name)
        api, url = running.enter_context(_running_api(stack, module, {}))
        parts: dict[str, Part] = {API: api}
        workers = []
        if name in _WORKERS:
            worker_name, role = _WORKERS[name]
            settings = {"COUPON_DATABASE_URL": stack.database_url(role)}
            worker = OwnProcess(stack, ("benchmarks.strategies", "worker", name), settings)
            worker.launch()
            running.callback(worker.stop)
            parts[worker_name] = worker
            workers.append(worker)
        if name != "redis_queue":
            parts["consumer"] = StackPart(stack, "consumer-1")
        environment = {**stack.environment, "COUPON_API_URL": url}
        yield Design(name, stack, environment, parts, tuple(workers))


@contextmanager
def _running_api(
    stack: DisposableStack, module: tuple[str, ...], settings: Mapping[str, str]
) -> Iterator[tuple[OwnProcess, str]]:
    port, management_port = _free_port(), _free_port()
    url = f"http://127.0.0.1:{port}"
    own = {
        "COUPON_DATABASE_URL": stack.database_url("api"),
        "COUPON_API_PORT": str(port),
        "COUPON_API_MANAGEMENT_PORT": str(management_port),
        "COUPON_JWT_KEY_FILE": str(stack.folder.secret_file("jwt.key")),
    }
    ready = f"http://127.0.0.1:{management_port}/readyz"
    api = OwnProcess(stack, module, {**own, **settings}, ready)
    try:
        api.launch()
        yield api, url
    finally:
        api.stop()


def _free_port() -> int:
    """A free port below the range from which the system takes ports for outgoing connections."""
    for port in random.sample(PORTS, 100):
        with suppress(SettingError):
            check_free({"api": port})
            return port
    raise RuntimeError(f"no free port found from {PORTS.start} to {PORTS.stop - 1}")


@contextmanager
def _reconciler_on_standby(stack: DisposableStack) -> Iterator[None]:
    """Keep the reconciler passive: this process holds the lock of the active one.

    An active reconciler would find issued coupons without a request, and rebuild the gate again and
    again. It is not stopped, because each start of another part would start it too.
    """
    stack.stop("reconciler")
    deadline = time.monotonic() + STANDBY_WITHIN_SECONDS
    with psycopg.connect(stack.database_url("ops"), autocommit=True) as connection:
        while connection.execute(query("become_active_reconciler")).fetchone() != (True,):
            if time.monotonic() > deadline:
                raise TimeoutError("a stopped reconciler still holds its lock")
            time.sleep(0.1)
        yield
