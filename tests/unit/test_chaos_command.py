"""`python -m chaos --help` names every fault."""

import random
from types import SimpleNamespace
from typing import Any, cast

from click.testing import CliRunner

from chaos.__main__ import main
from chaos.faults.catalogue import all_faults
from chaos.faults.fault import FaultContext
from chaos.history import History
from chaos.target import LINKS


def test_help_names_every_fault() -> None:
    """Each name is one phrase of the help, or a verb and a part or link that the help lists."""
    target = SimpleNamespace(
        where={"COUPON_CONNECT_URL": "http://127.0.0.1:1"},
        links={name: SimpleNamespace(cut=None, restore=None, silence=None) for name in LINKS},
    )
    context = FaultContext(cast(Any, target), History(), 1, random.Random(1))
    text = " ".join(CliRunner().invoke(main, ["--help"]).output.split())
    assert [name for name in all_faults(context) if not _is_named(name, text)] == []


def _is_named(name: str, text: str) -> bool:
    if name in text:
        return True
    verbs = ("kill", "pause", "cut", "lose requests", "lose answers", "silence")
    verb = next((verb for verb in verbs if name.startswith(f"{verb} ")), "no verb")
    kind = "PART" if verb in ("kill", "pause") else "LINK"
    return f"{verb} {kind}" in text and name.removeprefix(f"{verb} ") in text
