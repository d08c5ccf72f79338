"""Commands as documents and help texts print them, and whether a shell and `coupon` take them."""

import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from cli.main import main

ROOT = Path(__file__).parents[2]
PLACEHOLDER = re.compile(r"^[A-Z]{1,10}$|^\$|^<.*>$")
"""A word that a reader replaces, such as PART or N, or that a variable gives."""

_COMMENT = re.compile(r"(?<=\S)(?: {2,}| #).*$")


def examples(help_text: str) -> Iterator[str]:
    """The lines of a help text that begin with `coupon`, without what is said beside them."""
    joined = re.sub(r"\\\n\s*", "", inspect.cleandoc(help_text))
    for indented in joined.splitlines():
        # What is not indented is prose, also where a line of it begins with the word.
        line = re.sub(r"^(?:TOKEN=|eval \")\$\((.*?)\)\"?$", r"\1", indented.strip())
        if indented.startswith("  ") and line.startswith("coupon "):
            yield _COMMENT.sub("", line).partition(" | ")[0]


def top_level() -> Iterator[tuple[str, click.Command]]:
    """The commands of `coupon`, with their names."""
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        yield name, command


def leaves(group: click.Group = main, path: str = "coupon") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with the words that name it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def check_coupon(line: str) -> None:
    """Raises an error of click's, or AssertionError, when `coupon` would not take the line."""
    _, *words = shlex.split(line)
    command: click.Command = main
    context = click.Context(main, info_name="coupon")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]}"
        command, words = found, words[1:]
        context = click.Context(command, context, info_name=command.name)
    if words[:1] in (["--help"], ["-h"], ["--version"]):
        return
    assert not isinstance(command, click.Group), f"{line}: which command?"
    options = dict(command.context_settings)
    context.ignore_unknown_options = bool(options.get("ignore_unknown_options"))
    values, left, _ = command.make_parser(context).parse_args(args=words)
    assert not [each for each in left if each != "..."], f"{line}: {left} is too much"
    for param in command.params:
        given = values.get(param.name or "")
        missing = not isinstance(given, str | list | tuple) or not given
        assert not (param.required and missing and not param.envvar), (
            f"{line}: {param.name} is missing"
        )
        value = values.get(param.name or "")
        many = value if isinstance(value, list | tuple) else [value]
        if isinstance(param.type, click.Path) or any(
            each is None or PLACEHOLDER.search(str(each)) for each in many
        ):
            continue
        if isinstance(value, str | list | tuple):
            param.type_cast_value(context, tuple(value) if isinstance(value, list) else value)


def pasted(text: str) -> Iterator[str]:
    """The lines of a document's blocks that are typed: indented ones, and `sh`. Joined at `\\`."""
    unfenced = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"(?<=\n\n)(?: {4}\S.*\n(?: {4}.*\n)*)+", unfenced)
    blocks += re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for block in blocks:
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            yield _COMMENT.sub("", line.strip().removeprefix("$ "))


def spans(text: str) -> Iterator[str]:
    """What stands between back-ticks in a document's prose, each in one line."""
    unfenced = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for paragraph in unfenced.split("\n\n"):
        yield from (" ".join(each.split()) for each in re.findall(r"`([^`]+)`", paragraph))
