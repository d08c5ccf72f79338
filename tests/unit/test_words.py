"""Removed words stay removed: code, messages and pages use the words of docs/reference/words.md."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

INSTEAD = {
    "told": "result, summary, lines, message",
    "deeds?": "action",
    "seats?": "waiter",
    "standings?": "status",
    "books": "consistency report, counts",
    "trouble|troubles": "failure, health",
    "freshness": "heartbeat age",
    "beats?": "heartbeat",
    "judg(e|es|ed|ing)": "explain",
    "stumbl(e|es|ed)": "fail",
    "befell": "say what happened",
    "creeps?": "say what happens",
    "anew": "again",
    "in vain": "say what does not help",
    "mend(s|ed|ing)?": "repair, fix, correct",
    "set aside": "dead-lettered",
    "(emit|emits|emitted|emitting) again": "republish",
    "at work": "running, active",
    "(is|are|was|were|be|server) away": "is down, does not answer",
    "look(s|ed|ing)? (at|into)": "check, read",
    "flows?": "stream, health",
    "choices": "options",
    "places?": "position, quantity, offset, endpoint, system",
    "whole(?! numbers?)": "all, complete",
    "gates? (is|are|was|were|stays?) (closed|shut)|closed gates?|gate closed": "unavailable",
}
"""Each removed word (a regular expression), and what to say."""

ROOTS = [
    *["api", "benchmarks", "cdc_consumer", "chaos", "cli", "compose", "connectors", "coupons"],
    *[
        "coupon_client",
        "monitor",
        "operations",
        "reconciler",
        "sql",
        "stack",
        "docs",
        "README.md",
        "CONTRIBUTING.md",
    ],
]
"""Folders and pages that are held to it."""

PLAIN_IN_PROSE = re.compile("places?|whole|choices|look(s|ed|ing)? (at|into)|flows?")
"""Removed as names in code; in a page they are common English."""

SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml"}

ALLOWED = {
    ("api/problems.py", "gate closed"): "the name of a problem type",
    ("api/routes/claims.py", "gate closed"): "the name of a problem type",
    ("api/routes/waiting_rooms.py", "gate closed"): "the name of a problem type",
    ("api/routes/standby.py", "gate closed"): "the name of a problem type",
    ("api/schemas.py", "places"): "places_left, as the API calls it",
    ("coupons/change_events/decoder.py", "beat"): "a column of the heartbeats",
    ("coupon_client/results.py", "places"): "places_left, as the API calls it",
    ("coupons/gate/claims_now.py", "places"): "places_left, as the API calls it",
    ("coupons/gate/figures.py", "places"): "places_left, as the API calls it",
    ("coupons/gate/heartbeat.py", "freshness"): "a key in Redis",
    ("monitor/document.py", "places"): "places_left, as the API calls it",
    ("monitor/metrics.py", "places"): "places_left, as the API calls it",
    ("monitor/samples.py", "places"): "places_left, as the API calls it",
    ("monitor/page/coupon.py", "places"): "places_left, as the API calls it",
    ("coupons/process/probes.py", "trouble"): "a value in /healthz",
    ("benchmarks/measurements/designs/report_load.py", "choices"): "a function of random",
    ("chaos/drill/stream.py", "mend"): "the option --mend",
    ("chaos/callers.py", "choices"): "a function of random",
    ("cli/commands/topics.py", "mend"): "the option --mend",
    ("operations/doctor/kafka.py", "mend"): "the option --mend",
    ("cli/commands/rush.py", "places"): "the option --places",
    ("operations/gate.py", "places"): "places_left, as the API calls it",
    ("operations/trace/why_none.py", "places"): "places_left, as the API calls it",
    ("cli/commands/gate.py", "places"): "places_left, as the API calls it",
    ("api/routes/standby.py", "places"): "places_left, as the API calls it",
}
"""Interfaces that keep their spelling: file and word, and why."""


def as_words(line: str) -> str:
    """The line in lower case, with the words of identifiers apart."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", line)
    return re.sub(r"[_`*]+", " ", apart).lower()


@cache
def removed() -> re.Pattern[str]:
    """Any removed word."""
    return re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b")


def found_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, removed word, and what to say."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in removed().finditer(as_words(line)):
            rest = found.string[found.start() :]
            yield number, found[0], next(INSTEAD[each] for each in INSTEAD if re.match(each, rest))


def files_below(root: str) -> list[Path]:
    """The file itself, or every file with text in a folder."""
    path = ROOT / root
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return [file for file in files if file.suffix in SUFFIXES and file.is_file()]


def prose_of(file: Path) -> str:
    """The text; of a page without its code, where names of files, tests and options stand."""
    text = file.read_text("utf-8")
    if file.suffix != ".md":
        return text
    without_blocks = re.sub(
        r"```.*?```", lambda block: "\n" * block[0].count("\n"), text, flags=re.S
    )
    return re.sub(r"`[^`\n]*`", "", without_blocks)


@pytest.mark.parametrize("root", ROOTS)
def test_removed_words_are_not_used(root: str) -> None:
    wrong = []
    for file in files_below(root):
        name = file.relative_to(ROOT).as_posix()
        wrong += [
            f"{name}:{number}: {word!r}: say {instead}"
            for number, word, instead in found_in(prose_of(file))
            if (name, word) not in ALLOWED
            and not (file.suffix == ".md" and PLAIN_IN_PROSE.fullmatch(word))
        ]
    assert wrong == []


@pytest.mark.parametrize(("name", "word"), ALLOWED)
def test_each_allowance_is_needed(name: str, word: str) -> None:
    assert word in {found for _, found, _ in found_in((ROOT / name).read_text("utf-8"))}


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("def told_here(self) -> str:", "told"),
        ("# The gate is closed until then.", "gate is closed"),
        ("It looks at the connector.", "looks at"),
        ("return books.whole", "books"),
    ],
)
def test_a_removed_word_is_found_in_names_and_prose(line: str, word: str) -> None:
    assert word in {found for _, found, _ in found_in(line)}


@pytest.mark.parametrize("line", ["a positive whole number", "the coupon is closed", "replace(x)"])
def test_other_uses_of_a_word_are_free(line: str) -> None:
    assert list(found_in(line)) == []
