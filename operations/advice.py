"""Commands in messages, completed so that they work on one embedded stack."""

import re
import shlex
from pathlib import Path

from stack.folder import default_state

_COMMAND = re.compile(
    r"\bcoupon (?:(?:gate|connector|dead-letters) )?"
    r"(?:up|down|stop|restart|status|doctor|monitor|top|logs|topics|env|token|rush|after-restore"
    r"|rebuild|reconcile|sql|verify|register|recover|delete|schemas|list|show|replay|discard)\b"
    r"(?! --state)"
)


def naming(text: str, folder: Path) -> str:
    """The text with the state folder in each command that needs it and does not name one."""
    option = f" --state {shlex.quote(str(folder))}"
    return _COMMAND.sub(lambda found: found[0] + option, text)


def is_default(folder: Path) -> bool:
    """Whether a command works on this folder's stack where none is named."""
    return folder == default_state()
