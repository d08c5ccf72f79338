"""A state of the runbook as a row: how it is caused, what shows it, what is typed."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chaos.drill.site import Site
from operations.doctor.findings import Section

Findings = Sequence[dict[str, Any]]


class State(NamedTuple):
    """One row.

    section: what the state is called. doctor: the sections that `coupon doctor` names, the root
    cause first. says: a part of one of its sentences. happened: what was done, for the end of a
    drill. alerts: those that fire. type: what the runbook says to type, in order, with its words in
    capitals.
    """

    section: Section
    doctor: tuple[Section, ...]
    says: str
    happened: str
    cause: Callable[[Site], None]
    alerts: tuple[str, ...]
    type: tuple[str, ...]

    def is_named(self, findings: Findings) -> bool:
        """Whether doctor names the root cause first, and everything else that is to be named."""
        found = [each for each in findings if each["level"] != "ok"]
        return (
            bool(found)
            and found[0]["section"] == self.doctor[0]
            and {each["section"] for each in found} >= set(self.doctor)
            and any(self.says in each["says"] for each in found)
        )

    def filled_in(self, command: str, site: Site, findings: Findings) -> str:
        """The command with the words in capitals replaced, as the runbook says.

        findings: of the doctor that named the state.
        """
        if "PID" in command:
            command = command.replace("PID", _process_in(findings))
        if "LETTER" in command:
            command = command.replace("LETTER", " ".join(site.operator.open_dead_letters()))
        return re.sub(r"\bN\b", str(site.coupon_id), command)


def _process_in(findings: Findings) -> str:
    """The process at the head of the queue, from the sentence on locks."""
    said = " ".join(each["says"] for each in findings if each["check"] == "locks")
    process = re.search(r"process (\d+)", said)
    assert process, f"doctor names no process: {said}"
    return process[1]
