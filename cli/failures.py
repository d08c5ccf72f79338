"""Ends a command that failed: with a sentence for a person, with --json one document for programs.

  {"error": {"kind": "no_answer", "message": "…", "exit_code": 3}}

It is on standard output, where the result would be, so that a program finds exactly one document
there whatever happens.
"""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

import click

from cli.exit_codes import KINDS, Interrupted
from stack.interrupts import interrupted_once


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the line that was typed has --json, also if it is wrong otherwise."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options and options[0] != "bench"  # whose arguments are passed on


def run(main: Callable[[], Any], as_json: bool) -> int:
    """Call click's main function, which raises; report what it raised; return the exit code."""
    try:
        code = main()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return _report(error, as_json)
    except click.Abort as error:
        by_signal = isinstance(error.__cause__, KeyboardInterrupt)
        return _report(Interrupted() if by_signal else click.ClickException("Aborted!"), as_json)


def run_program(program: click.Command) -> NoReturn:
    """Run a program beside `coupon`, such as the benchmarks, and exit with the same exit codes.

    The first Ctrl-C or SIGTERM ends it in order.
    """
    with interrupted_once():
        sys.exit(run(partial(program.main, standalone_mode=False), as_json=False))


def _report(error: click.ClickException, as_json: bool) -> int:
    code = error.exit_code
    if as_json:
        document = {"kind": KINDS[code], "message": error.format_message(), "exit_code": code}
        click.echo(json.dumps({"error": document}))
    else:
        error.show()
    return code
