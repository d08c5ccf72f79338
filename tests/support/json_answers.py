"""What `coupon … --json` has to print, whatever happens."""

import json
import re
from typing import Any, NoReturn

from click.testing import CliRunner

from cli.exit_codes import KINDS
from cli.main import main

_NOT_FOR_PROGRAMS = re.compile(
    r"\x1b|Traceback|\[/?(?:bold|dim|red|green|yellow|cyan|magenta)\b|\[/\]"
)


def checked_json(path: str, *arguments: str) -> tuple[int, Any]:
    """Type a command with --json; return the exit code and its document.

    Raises AssertionError unless standard output is one document of strict JSON, and nothing shows
    a stack trace, a colour or markup.
    """
    done = CliRunner().invoke(main, [*path.split()[1:], *arguments, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, checked(done.exit_code, done.stdout, done.stderr)


def checked(code: int, stdout: str, stderr: str) -> Any:
    """The document of a command that has ended; if it is an error, it has the exit code."""
    assert not _NOT_FOR_PROGRAMS.search(stdout + stderr), stdout + stderr
    document = json.loads(stdout, parse_constant=_refuse)
    if is_error(document):
        says = document["error"]["message"]
        assert document["error"] == {"kind": KINDS[code], "message": says, "exit_code": code}
        assert says
    return document


def is_error(document: Any) -> bool:
    """Whether the command could not do its work."""
    return isinstance(document, dict) and "error" in document


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")
