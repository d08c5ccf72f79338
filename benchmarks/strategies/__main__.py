"""Run a process of one of the other designs: python -m benchmarks.strategies api redis_queue"""

import signal
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

import click

from api.server import serve
from api.settings import ApiSettings
from benchmarks.strategies.settings import StrategySettings
from coupons.process.logging import configure_logging
from coupons.process.settings import load_settings

if TYPE_CHECKING:
    from api.rsgi import RsgiApp

STRATEGIES = ("redis_queue", "redis_kafka", "outbox")
WORKERS = ("redis_queue", "outbox")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run a process of a design that ours is compared with. Settings: COUPON_* variables."""


@main.command("api")
@click.argument("strategy", type=click.Choice(STRATEGIES))
def run_api(strategy: str) -> None:
    """Serve the HTTP API of a strategy until SIGTERM."""
    settings = load_settings(ApiSettings)
    configure_logging(settings.log_level)
    serve(settings, partial(_load, strategy))


@main.command("worker")
@click.argument("strategy", type=click.Choice(WORKERS))
def run_worker(strategy: str) -> None:
    """Run the worker or publisher of a strategy until SIGTERM."""
    stopping = Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopping.set())
    settings = load_settings(StrategySettings)
    configure_logging(settings.log_level)
    if strategy == "outbox":
        from benchmarks.strategies.outbox import work

        work(settings, stopping)
    else:
        from benchmarks.strategies.redis_queue import work as work_queue
        from coupons.gate import connect_gate

        gate = connect_gate(settings.redis_url.get_secret_value())
        work_queue(gate, settings.database_url.get_secret_value(), stopping)


def _load(strategy: str) -> "RsgiApp":
    # Imported in the worker process only, as api.server does.
    from importlib import import_module

    from api.worker import worker_app

    return worker_app(import_module(f"benchmarks.strategies.{strategy}").writer)


if __name__ == "__main__":
    main()
