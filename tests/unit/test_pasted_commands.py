"""What the documents tell a reader to type exists: commands, options, targets, files, services."""

import importlib.util
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest

from tests.support.typed import ROOT, check_coupon, pasted, spans, top_level

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "compose" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
DOCUMENTS.remove(ROOT / "docs" / "reference" / "cli.md")  # made from the command itself
ORDINARY = {
    "cat",
    "cd",
    "chown",
    "cp",
    "curl",
    "df",
    "docker",
    "du",
    "echo",
    "eval",
    "export",
    "helm",
    "install",
    "ln",
    "mkdir",
    "mv",
    "pg_basebackup",
    "pg_dump",
    "pg_restore",
    "pip",
    "psql",
    "rm",
    "set",
}
"""Programs that are not ours; of docker only what is ours in it is looked at."""
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
SERVICES = {
    name
    for file in (ROOT / "compose").glob("*.yaml")
    for name in re.findall(r"^  ([a-z0-9-]+):", file.read_text("utf-8"), re.MULTILINE)
}
OF_THE_READER = {"compose/digests.yaml"}
"""Files that a document has its reader write."""
NOT_RUN = "# Not run by tests"
"""How a block begins that tests only read; a reason follows."""
_VARIABLE = re.compile(r"^[A-Z_]+=")
_OURS = re.compile(r"^(?:(?:[A-Z_]+=\S+ )*)(?:\.venv/bin/)?(coupon|make|docker|compose/[\w-]+)\b ?")


def text_of(document: Path) -> str:
    """Its text; blocks within lists begin at the margin."""
    fence = re.compile(r"^ +```\w*\n.*?^ +```$", re.MULTILINE | re.DOTALL)
    return fence.sub(lambda found: textwrap.dedent(found[0]), document.read_text("utf-8"))


def blocks(document: Path) -> list[str]:
    """What its `sh` blocks say, as it stands."""
    return re.findall(r"^```sh\n(.*?)^```$", text_of(document), re.MULTILINE | re.DOTALL)


def commands(document: Path) -> Iterator[str]:
    """The lines of its blocks, and what its prose names of ours."""
    text = text_of(document)
    # What is answered is no command, and a remark is none either.
    yield from (line for line in pasted(text) if line[:1] not in ("", "{", '"', "#"))
    # Prose may name a group of commands, or a program, without meaning that it is typed.
    groups = {f"coupon {name}" for name, each in top_level() if isinstance(each, click.Group)}
    named = (each.removeprefix(".venv/bin/") for each in spans(text) if _OURS.match(each))
    yield from (each for each in named if " " in each and each not in groups)


def check(line: str) -> None:
    """Raises AssertionError or an error of click's for a line that cannot be typed."""
    line = re.sub(r"^(?:[A-Z]+=|eval )\"?\$\((.*)\)\"?$", r"\1", line).partition(" | ")[0]
    words = shlex.split(line.removesuffix(" &&"))
    while words and _VARIABLE.match(words[0]):
        words.pop(0)
    if not words:
        return
    program = re.sub(
        r"^(?:(?:\.venv|/opt/coupon(?:-[\d.]+)?)/bin|\$BIN)/|(?<=^python)3$", "", words[0]
    )
    if program == "with-secret":
        check(shlex.join(words[3:]))
    elif program == "coupon":
        check_coupon(shlex.join(["coupon", *words[1:]]))
    elif program == "make":
        check_make(words[1:])
    elif words[:2] == ["docker", "compose"] or program == "$C":
        check_compose(words)
    elif program == "kubectl":
        check_kubectl(words)
    elif program == "systemctl":
        check_systemctl(words)
    elif program == "python":
        assert words[1] == "-m", line
        assert importlib.util.find_spec(words[2]), f"there is no module {words[2]}"
    elif "/" in program:
        assert (ROOT / program).exists(), f"there is no {program}"
    else:
        assert program in ORDINARY, f"{program} is not a program of every machine: {line}"


def check_make(words: list[str]) -> None:
    for word in words:
        _, given, value = word.partition("=")
        assert given or word in TARGETS, f"make has no {word}"
        paths = [each for each in shlex.split(value) if each.startswith("tests/")]
        assert all((ROOT / path).exists() for path in paths), value


def check_kubectl(words: list[str]) -> None:
    """Only what is typed in a pod is ours."""
    if "--" in words:
        inside = [word for word in words[words.index("--") + 1 :] if not _VARIABLE.match(word)]
        check(shlex.join([word for word in inside if word != "env"]))


def check_systemctl(words: list[str]) -> None:
    """The units are there; one that has instances is named with one, or with all."""
    units = {file.name for file in (ROOT / "deploy" / "systemd").iterdir()}
    for word in (word for word in words if word.startswith("coupon")):
        name = re.sub(r"@[\d*]$", "@", word)
        assert name in units or f"{name}.service" in units, f"there is no unit {word}"


def check_compose(words: list[str]) -> None:
    verbs = {"run", "exec", "stop", "start", "logs"}
    at = next((number for number, word in enumerate(words) if word in verbs), len(words))
    files = [after for word, after in pairwise(words[:at]) if word == "-f"]
    assert all(file in OF_THE_READER or (ROOT / file).exists() for file in files), files
    rest = [word for word in words[at + 1 :] if not word.startswith("-")]
    if not rest:
        return
    service = rest[0]
    assert service in SERVICES or service.isupper() or service == "...", (
        f"compose has no service {service}"
    )
    if service == "ops" and words[at] == "run" and "COMMAND" not in rest:
        check_coupon(shlex.join(["coupon", *words[words.index("ops") + 1 :]]))


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_block_is_shell_and_says_why_it_is_not_run(document: Path) -> None:
    for block in blocks(document):
        done = subprocess.run(["/bin/bash", "-n"], input=block, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), block
        marked = re.search(rf"^{NOT_RUN}.*", block, re.MULTILINE)
        assert not marked or re.match(rf"{NOT_RUN}(?: here)?: \S.{{9,}}", block), block


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_command_of_a_document_can_be_typed(document: Path) -> None:
    wrong = {}
    for line in commands(document):
        try:
            check(line)
        except (click.ClickException, AssertionError, ValueError) as error:
            wrong[line] = getattr(error, "message", None) or str(error)
    assert wrong == {}


def test_the_documents_have_commands_to_look_at() -> None:
    found = {name_of(document): len(list(commands(document))) for document in DOCUMENTS}
    assert found["docs/how-to/runbook.md"] > 60
    assert found["docs/start/first-coupon.md"] > 15
    assert found["CONTRIBUTING.md"] >= 6
    assert found["README.md"] >= 8


@pytest.mark.parametrize(
    "line",
    [
        "coupon configuration",
        ".venv/bin/coupon verify --nothing",
        "coupon dead-letters discard 0:17",
        "make nothing",
        'make test ARGS="tests/nothing"',
        "compose/make-nothing",
        "docker compose -f compose/nothing.yaml up -d --wait",
        "docker compose -f compose/compose.yaml logs nothing",
        "docker compose -f compose/compose.yaml run --rm ops nothing",
        "python -m stack.nothing",
        "/opt/coupon/bin/coupon nothing",
        "systemctl restart coupon-api coupon-consumer",
        "nothing --at-all",
    ],
)
def test_a_line_that_cannot_be_typed_is_found(line: str) -> None:
    with pytest.raises((click.ClickException, AssertionError)):
        check(line)
