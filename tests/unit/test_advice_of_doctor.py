"""What the doctor says to type helps with what it found."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coupons.kafka.client import KafkaClient
from operations.dead_letters.selection import NoSuchLetter, named
from operations.doctor import findings
from operations.doctor.checks import run_checks
from operations.doctor.commands import StackCommand, check_server, resolve
from operations.doctor.findings import Section
from operations.doctor.health import check_consumers
from operations.doctor.machine import part_finding
from operations.doctor.system import System
from stack.folder import StateFolder
from stack.ports import HOST, free_ports
from stack.report import PartReport

DOCTOR = Path(findings.__file__).parent
ONLY_OF_THE_STACK = "machine.py"
"""It finds nothing of a system elsewhere."""

COMMAND_OF_THE_STACK = re.compile(
    r"coupon (?:up|down|stop|restart|status|logs|env)\b|after-restore --stop"
)
"""Commands that a system elsewhere does not have."""

HUNG = PartReport("reconciler", "unhealthy", 0.0, 4711, (29410,), 1, None)


@pytest.mark.parametrize("part", ["reconciler", "consumer-1", "valkey", "api"])
def test_a_part_that_runs_and_does_not_answer_is_restarted(part: str) -> None:
    found = part_finding(replace(HUNG, name=part), None)
    assert found.command == f"coupon restart {part}"


def test_a_part_that_ended_is_started() -> None:
    found = part_finding(replace(HUNG, state="down", last_exit="exit code 1"), None)
    assert (found.command, found.section) == ("coupon up", Section.RECONCILER_DOWN)


@pytest.mark.parametrize("is_part", [True, False])
def test_a_consumer_is_restarted_by_a_command_only_where_there_is_one(
    is_part: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = f"http://{HOST}:{free_ports(['consumer'])['consumer']}"
    folder = StateFolder(tmp_path_factory.getbasetemp()) if is_part else None
    name = "consumer-1" if is_part else f"consumer at {url}"
    places = System(folder, None, "", "", KafkaClient(""), "", "", "", consumer_urls={name: url})
    [found] = check_consumers(places)
    typed = "coupon restart consumer-1" if is_part else "restart that consumer where it runs"
    assert places.typed(found.command) == typed


def test_a_word_that_names_no_dead_letter_is_told_how_they_are_named() -> None:
    which = "`coupon dead-letters list` shows those that are there"
    with pytest.raises(NoSuchLetter, match=f"is named PARTITION:OFFSET; {which}"):
        named([], ["xx"])
    with pytest.raises(NoSuchLetter, match=f"there is no dead letter 0:17; {which}"):
        named([], ["0:17"])


def nowhere() -> System:
    """A system elsewhere; nothing answers at its addresses."""
    at = f"{HOST}:{free_ports(['none'])['none']}"
    database = f"postgresql://coupon_ops:x@{at}/coupon"
    url = f"http://{at}"
    return System(
        None, None, database, f"redis://{at}/0", KafkaClient(at), url, url, "group", url, {"c": url}
    )


def texts(node: ast.AST) -> Iterator[str]:
    """The texts of a program; not its docstrings, nor what a StackCommand says for the stack."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == StackCommand.__name__:
        for argument in node.args[1:]:
            yield from texts(argument)
    elif isinstance(node, ast.Constant):
        yield str(node.value)
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


@pytest.mark.parametrize("file", sorted(DOCTOR.glob("*.py")), ids=lambda file: file.name)
def test_every_finding_that_names_a_command_of_the_stack_says_what_to_do_elsewhere(
    file: Path,
) -> None:
    named = [text for text in texts(ast.parse(file.read_text("utf-8"))) if is_of_the_stack(text)]
    assert bool(named) == (file.name == ONLY_OF_THE_STACK), named


def is_of_the_stack(text: object) -> bool:
    return COMMAND_OF_THE_STACK.search(str(text)) is not None


def test_a_system_elsewhere_is_not_told_to_type_commands_of_the_stack() -> None:
    found = run_checks(nowhere())
    assert [each for each in found if is_of_the_stack((each.says, each.command))] == []
    typed = {each.check: each.command for each in found}
    again = "where it runs, then `coupon doctor` again"
    assert typed["postgres"] == f"start Postgres {again}"
    assert typed["kafka"] == f"start Kafka {again}"
    assert typed["consumers"] == "restart that consumer where it runs"


@pytest.mark.parametrize("section", Section)
def test_whatever_keeps_a_check_from_working_there_is_something_to_do(section: Section) -> None:
    for command in (resolve(section), check_server(section)):
        assert is_of_the_stack(command)
        assert not is_of_the_stack(nowhere().typed(command))
        assert nowhere().typed(command)


def test_a_stack_that_is_known_by_its_addresses_is_named(tmp_path: Path) -> None:
    system = nowhere()._replace(near=StateFolder(tmp_path / "a stack"))
    named = f"--state '{tmp_path / 'a stack'}'"
    assert {each.command for each in run_checks(system) if is_of_the_stack(each.command)} >= {
        f"coupon up {named}"
    }
