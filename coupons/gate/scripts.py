"""Runs the Lua scripts of lua/ by name, several in one round trip."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple

import redis
from redis.exceptions import NoScriptError, ResponseError

from coupons.errors import KeysUnreadable, RedisUnavailable
from coupons.gate.refusals import REDIS_ERRORS, GateRefused, unavailable

_FOLDER = Path(__file__).parent / "lua"
_SHARED = (
    ("identity()", "identity.lua"),
    ("list_of_users(", "listed.lua"),
    ("waiting_room(", "room.lua"),
)
"""What is put before each script that calls it."""


class Call(NamedTuple):
    """One run of a script: its name, its key, its arguments."""

    script: str
    key: str
    arguments: Sequence[str | int]


@cache
def _source(script: str) -> str:
    text = (_FOLDER / f"{script}.lua").read_text()
    return "".join((_FOLDER / file).read_text() for used, file in _SHARED if used in text) + text


@cache
def _digest(script: str) -> str:
    return sha1(_source(script).encode(), usedforsecurity=False).hexdigest()


def run_scripts(client: redis.Redis, calls: Sequence[Call]) -> list[Any]:
    """Run the calls in one round trip and return their answers in order.

    When the server does not have a script (restart, SCRIPT FLUSH), it is loaded, and only the calls
    that failed run again. Raises RedisUnavailable when Redis does not answer or answers with an
    error (KeysUnreadable: of that coupon only); then any of the calls may or may not have run.
    """
    answers = try_scripts(client, calls)
    for answer in answers:
        if isinstance(answer, KeysUnreadable):
            raise answer
    return answers


def try_scripts(client: redis.Redis, calls: Sequence[Call]) -> list[Any]:
    """Like run_scripts, but the answer to a call with unreadable keys is a KeysUnreadable."""
    try:
        answers = _run(client, calls)
        missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:
            for script in {calls[i].script for i in missing}:
                client.script_load(_source(script))
            for i, answer in zip(missing, _run(client, [calls[i] for i in missing]), strict=True):
                answers[i] = answer
    except REDIS_ERRORS as error:
        raise unavailable(error) from error
    return [_answer(call, answer) for call, answer in zip(calls, answers, strict=True)]


def _answer(call: Call, answer: Any) -> Any:
    if not isinstance(answer, Exception):
        return answer
    text = f"Redis refused {call.script} on {call.key}: {answer}"
    if is_of_the_key(answer):
        return KeysUnreadable(text)
    refused = unavailable(answer)
    raise (refused if isinstance(refused, GateRefused) else RedisUnavailable(text)) from answer


def is_of_the_key(error: Exception) -> bool:
    """Whether a key has a type or a value that the script cannot work on.

    All other refusals of Redis (out of memory, read-only, no permission) have a code of their own,
    and concern every coupon.
    """
    if isinstance(unavailable(error), GateRefused):
        return False
    code = str(error).partition(" ")[0]
    return type(error) is ResponseError and (code == "WRONGTYPE" or not code.isupper())


def _run(client: redis.Redis, calls: Sequence[Call]) -> list[Any]:
    if len(calls) == 1:
        script, key, arguments = calls[0]
        try:
            return [client.evalsha(_digest(script), 1, key, *arguments)]
        except ResponseError as error:
            return [error]
    pipeline = client.pipeline(transaction=False)
    for script, key, arguments in calls:
        pipeline.evalsha(_digest(script), 1, key, *arguments)
    return pipeline.execute(raise_on_error=False)
