"""The reference of the `coupon` command, from click's own description of it."""

import inspect
import re
from collections.abc import Iterator

import click

from cli.main import main
from docs.make.markdown import paragraph, table

HEAD = """# The `coupon` command

The command is in `.venv/bin`. `eval "$(.venv/bin/coupon env)"` puts it on the PATH of your shell
and exports the addresses of the running stack. `coupon COMMAND --help` shows what this page shows.

*Generated from the command itself by `make docs`. A test compares the two.*

## Exit codes

Every command uses the same exit codes.

| exit code | meaning |
| --- | --- |
| 0 | done, or everything is in order |
| 1 | something is wrong, does not add up, or was not done completely |
| 2 | not possible as typed: wrong use, wrong setting, or no such thing |
| 3 | a server that the command needs does not answer |

A statement that Postgres refuses was possible as typed: `coupon sql "SELECT * FROM nope"` ends
with 1.

## All commands

"""


def render() -> str:
    """The page."""
    context = click.Context(main, info_name="coupon")
    commands = list(_below(main, context, "coupon"))
    rows = [
        (f"[`{path}`](#{path.replace(' ', '-')})", command.get_short_help_str(120))
        for path, command, _ in commands
    ]
    sections = [_section(path, command, found) for path, command, found in commands]
    return HEAD + table(["command", "what it does"], rows) + "".join(sections)


def _below(
    group: click.Group, context: click.Context, path: str
) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found = click.Context(command, context, info_name=name)
        yield f"{path} {name}", command, found
        if isinstance(command, click.Group):
            yield from _below(command, found, f"{path} {name}")


def _section(path: str, command: click.Command, context: click.Context) -> str:
    level = "#" * (len(path.split()))
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [f"\n{level} {path}\n", f"```text\n{usage}\n```\n", *_help(command)]
    if rows := list(_options(command, context)):
        parts.append(table(["option", "meaning"], rows))
    return "\n".join(parts)


def _help(command: click.Command) -> Iterator[str]:
    """Paragraphs; what click prints as it stands (marked with \\b) becomes a block."""
    for text in inspect.cleandoc(command.help or "").split("\n\n"):
        if text.startswith("\b"):
            yield f"```text\n{inspect.cleandoc(text.removeprefix(chr(8)))}\n```\n"
        elif re.match(r" {2,}", text):
            yield f"```text\n{inspect.cleandoc(text)}\n```\n"
        else:
            yield paragraph(text)


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Arguments are in the usage line already."""
    for param in command.params:
        record = param.get_help_record(context)
        if record and isinstance(param, click.Option):
            yield (
                f"`{record[0].replace('INTEGER RANGE', 'N').replace('FLOAT RANGE', 'N')}`",
                record[1],
            )
