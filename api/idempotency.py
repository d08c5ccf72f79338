"""The header Idempotency-Key: a call that can be repeated without doing it twice."""

import json
import re
from hashlib import sha256

from flask import Request
from pydantic import BaseModel

from api.problems import Problem, ProblemType
from coupons.ledger.idempotency import CreationKey

_KEY = re.compile(r"[\x20-\x7e]{1,255}")

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "1 to 255 printable ASCII characters, with or without quotes around them. The"
    " same key and body of the same caller: the same coupon. Kept for at least 24 hours",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def creation_key(request: Request, caller_id: int, body: BaseModel) -> CreationKey | None:
    """The key of this call; None: it has none. Raises Problem.

    Two bodies are the same when they mean the same: neither the order of fields nor a null counts,
    nor a field with its default, which a later version may have more of.
    """
    sent = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if sent is None:
        return None
    key = sent.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        message = "Use 1 to 255 printable ASCII characters"
        named = [{"field": "Idempotency-Key", "message": message}]
        raise Problem(ProblemType.INVALID, f"Idempotency-Key: {message}", errors=named)
    meant = body.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    wanted = json.dumps(meant, sort_keys=True)
    return CreationKey(caller_id, key, sha256(wanted.encode()).digest())


def key_reused() -> Problem:
    """The same key, and another body."""
    return Problem(
        ProblemType.IDEMPOTENCY_KEY_REUSED,
        "You used this Idempotency-Key for a coupon that was defined otherwise: nothing was done."
        " Use another key for another coupon.",
    )


def key_in_progress() -> Problem:
    """The same key at the same time."""
    return Problem(
        ProblemType.IDEMPOTENCY_KEY_IN_PROGRESS,
        "Another call of yours with this Idempotency-Key is being carried out: nothing was done by"
        " this one. Repeat it.",
    )
