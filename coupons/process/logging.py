"""Structured logs: one JSON object a line on standard error."""

import logging
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import itemgetter

import orjson

from coupons.ids import request_id_texts

EXTRA_FIELDS = (
    *("coupon_id", "user_id", "request_id", "x_request_id"),
    *("user_ids", "request_ids"),
    *("topic", "partition", "offset", "count", "mismatch"),
)
"""The fields of a logging call's `extra` that are written; all others are left out."""


REQUESTS = logging.getLogger("coupons.requests")
"""What happened to which requests."""

MOST_REQUESTS_A_LINE = 50
"""With 19 digits a user, a line stays below 4,096 bytes: a pipe takes all of it at once, also when
several processes write to it."""


class JsonLines(logging.Formatter):
    """Writes time (RFC 3339, UTC), level, logger, message, fields of `extra`, and the error."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((name, getattr(record, name)) for name in EXTRA_FIELDS if hasattr(record, name))
        if record.exc_info:
            line["error"] = "".join(traceback.format_exception(*record.exc_info))
        return orjson.dumps(line, default=str).decode()


def configure_logging(level: str, requests: bool = False) -> None:
    """Send every logger of this process to standard error at `level` (a name, such as INFO).

    requests: whether `log_requests` writes also what went well.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    failures = max(logging.WARNING, logging.getLogger().level)
    REQUESTS.setLevel(logging.NOTSET if requests else failures)
    # What is not written is not found out: a third of the cost of a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def log_requests(message: str, keys: Iterable[tuple[int, int]], level: int = logging.INFO) -> None:
    """Log what happened to these requests: a line for each coupon and MOST_REQUESTS_A_LINE of them.

    keys: coupon and user of each. Nothing is done when the level is off.
    """
    if not REQUESTS.isEnabledFor(level):
        return
    for coupon_id, of_coupon in groupby(sorted(keys), itemgetter(0)):
        users = (user_id for _, user_id in of_coupon)
        while some := list(islice(users, MOST_REQUESTS_A_LINE)):
            extra = {
                "coupon_id": coupon_id,
                "count": len(some),
                "user_ids": some,
                "request_ids": request_id_texts(coupon_id, some),
            }
            REQUESTS.log(level, message, extra=extra)
