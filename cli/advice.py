"""Completes the commands in messages, so that they work on the stack that the message is about."""

import os
import re
import shutil
import sys
from pathlib import Path

import click

from operations.advice import naming
from stack.folder import StateFolder, default_state
from stack.options import remembered
from stack.ports import HOST

STATE_VARIABLE = "COUPON_STATE_DIR"

_PORTS = {
    "COUPON_API_URL": "api",
    "COUPON_API_MANAGEMENT_URL": "management",
    "COUPON_DATABASE_URL": "postgres",
    "COUPON_REDIS_URL": "valkey",
    "COUPON_KAFKA_BOOTSTRAP_SERVERS": "kafka",
    "COUPON_SCHEMA_REGISTRY_URL": "registry",
    "COUPON_CONNECT_URL": "connect",
    "COUPON_MONITOR_URL": "monitor",
}
"""The part whose port an address of the embedded stack has."""

_CONTEXT_KEY = "cli.advice.folder"
_QUOTED = re.compile(r"`[^`]+`")


def set_stack(context: click.Context, folder: StateFolder | None) -> None:
    """Messages of this command are about the stack in this folder; None: a system elsewhere."""
    context.meta[_CONTEXT_KEY] = folder


def current_stack(context: click.Context) -> StateFolder | None:
    """The folder that `set_stack` got last."""
    folder: StateFolder | None = context.meta.get(_CONTEXT_KEY)
    return folder


def command_for(command: str, folder: StateFolder | None) -> str:
    """The command as it has to be typed in this shell in order to work on this stack."""
    if folder is None or not _has_to_be_named(folder):
        return command
    return naming(command, folder.path)


def with_commands_for(text: str, folder: StateFolder | None) -> str:
    """A text with every command between backticks completed by `command_for`."""
    return _QUOTED.sub(lambda found: command_for(found[0], folder), text)


def with_commands_for_this_stack(text: str) -> str:
    """The same for the stack that the present command works on."""
    context = click.get_current_context(silent=True)
    return with_commands_for(text, current_stack(context)) if context else text


def runnable(text: str) -> str:
    """The text with the path of `coupon`, where a shell would not find the command."""
    if shutil.which("coupon"):
        return text
    program = Path(sys.executable).with_name("coupon")
    shown = os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program)
    return re.sub(r"(?<![\w/])coupon (?=[a-z])", f"{shown} ", text)


def is_elsewhere(folder: StateFolder) -> bool:
    """Whether an address in the environment belongs to another stack than the folder's."""
    options = remembered(folder)
    given = {name: os.environ.get(name) for name in _PORTS}
    if options is None:
        return any(given.values())
    return any(
        not re.search(rf"(?:{re.escape(HOST)}|localhost):{options.ports[part]}(?!\d)", value)
        for name, part in _PORTS.items()
        if (value := given[name])
    )


def _has_to_be_named(folder: StateFolder) -> bool:
    plain = Path(os.environ.get(STATE_VARIABLE) or default_state()).absolute()
    return folder.path != plain or is_elsewhere(folder)
