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
| 130 | interrupted with Ctrl-C; a command that runs until then says what it ends with |

A statement that Postgres refuses was possible as typed: `coupon sql "SELECT * FROM nope"` ends
with 1.

## JSON

With `--json`, a command prints exactly one JSON document on standard output, whether it fails or
not. `doctor --watch` prints one on each line. Whatever is on standard error is for a person.

A command that has a result prints it, also with exit code 1 or 3: `verify` names what does not add
up. A command that could not do its work prints this, and no other document has the key `error`:

```json
{"error": {"kind": "no_answer", "message": "Redis does not answer: …", "exit_code": 3}}
```

| `kind` | exit code |
| --- | --- |
| `failed` | 1 |
| `usage` | 2 |
| `no_answer` | 3 |
| `interrupted` | 130 |

The message is a sentence for a person, and may change. `bench` and `completion` have no `--json`.

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
