"""Structured logs: one JSON object a line on standard error."""

import logging
import sys
import traceback
from datetime import UTC, datetime

import orjson

EXTRA_FIELDS = (
    *("coupon_id", "user_id", "request_id", "x_request_id"),
    *("topic", "partition", "offset", "count"),
)
"""The fields of a logging call's `extra` that are written; all others are left out."""


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


def configure_logging(level: str) -> None:
    """Send every logger of this process to standard error at `level` (a name, such as INFO)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
