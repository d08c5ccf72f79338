"""The application of a worker process."""

import gc
from collections.abc import Callable

from api.bootstrap import Write, build_api, claim_writer
from api.rsgi import RsgiApp
from api.settings import ApiSettings
from api.stopping import stop_with_parent
from coupons.gate import Gate
from coupons.process.logging import configure_logging
from coupons.process.settings import load_settings


def worker_app(
    make_writer: Callable[[ApiSettings, Gate], Write] = claim_writer,
) -> RsgiApp:
    """The application of a worker process, with the settings of its environment."""
    settings = load_settings(ApiSettings)
    configure_logging(settings.log_level, settings.log_requests)
    api = build_api(settings, make_writer)
    _tune_garbage_collection()
    stop_with_parent()
    return api.app


def _tune_garbage_collection() -> None:
    """Exempt the objects of start-up from garbage collection, and let it run less often.

    A claim leaves no cycles behind; searching for them took a twentieth of the time of a claim.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
