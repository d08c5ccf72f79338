"""Every command has what the README promises: examples that are right, and --json."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.exit_codes import INTERRUPTED, NOT_ANSWERED, USAGE, WRONG, exit_for
from cli.main import main
from coupons.errors import (
    ConfigurationError,
    ConnectorError,
    ConnectUnavailable,
    KafkaUnavailable,
    LedgerUnavailable,
    RedisUnavailable,
)
from operations.dead_letters.selection import NoSuchLetter
from tests.support.typed import check_coupon, examples, leaves

COMMANDS = dict(leaves())
WITHOUT_JSON = {
    "coupon bench",  # what follows is an option of the benchmarks
    "coupon completion",  # prints a script for a shell
}


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_examples_and_they_can_be_typed(path: str) -> None:
    shown = list(examples(COMMANDS[path].help or ""))
    assert any(line.startswith(path) for line in shown), f"{path} --help has no example of it"
    for line in shown:
        check_coupon(line)


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - WITHOUT_JSON))
def test_every_command_answers_programs_with_json(path: str) -> None:
    assert any("--json" in param.opts for param in COMMANDS[path].params)


def test_the_examples_of_every_group_can_be_typed() -> None:
    shown = list(examples(main.help or ""))
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        shown += examples(command.help or "")
    assert len(shown) > 30
    for line in shown:
        check_coupon(line)


@pytest.mark.parametrize(
    "line",
    [
        "coupon nothing",
        "coupon verify --nothing",
        "coupon up --consumers many",
        "coupon gate",
        "coupon logs",
    ],
)
def test_a_line_that_cannot_be_typed_is_noticed(line: str) -> None:
    with pytest.raises((click.ClickException, AssertionError)):
        check_coupon(line)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RedisUnavailable("no"), NOT_ANSWERED),
        (LedgerUnavailable("no"), NOT_ANSWERED),
        (KafkaUnavailable("no"), NOT_ANSWERED),
        (ConnectUnavailable("no"), NOT_ANSWERED),
        (ConnectorError("no"), WRONG),
        (OSError("no"), WRONG),
        (ConfigurationError("no"), USAGE),
        (NoSuchLetter("no"), USAGE),
    ],
)
def test_an_exit_code_means_one_thing_for_every_command(error: Exception, code: int) -> None:
    assert exit_for(error).exit_code == code


def test_the_exit_codes_are_in_the_help_and_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    shown = CliRunner().invoke(main, ["--help"]).output
    for code in (0, WRONG, USAGE, NOT_ANSWERED, INTERRUPTED):
        assert f"\n{code:>5}  " in shown
        assert f"\n| {code} | " in readme
