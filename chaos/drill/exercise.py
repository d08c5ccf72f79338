"""One drill: a state is caused, a person finds and repairs it; then the drill says what it was."""

import time
from collections.abc import Callable

from chaos.drill.operator import UNWELL, Operator
from chaos.drill.site import Site
from chaos.drill.state import Findings, State
from chaos.history import Response
from coupons.waiting import attempts, eventually

Print = Callable[[str], None]

WELL_BEFORE_SECONDS = 120.0
NAMED_WITHIN_SECONDS = 120.0
PAUSE_SECONDS = 3.0
"""From one `coupon doctor` to the next: it costs a second of processor time."""
VERIFY = "coupon verify --wait 60"


def exercise(site: Site, state: State, limit_s: float, log: Print) -> bool:
    """Whether the system was healthy again within the limit, with nothing left to do.

    People claim until it is healthy, as they would.
    """
    log("Starting. It takes a minute until there is something to find.")
    eventually(site.operator.is_all_ok, WELL_BEFORE_SECONDS, "it is healthy before")
    with site.claiming():
        state.cause(site)
        _await_named(site.operator, state)
        log(_symptom(site.try_claim()))
        log(_INVITATION.format(folder=site.stack.folder.path, minutes=limit_s / 60))
        began = time.monotonic()
        healed = _await_well(site.operator, state, limit_s)
        seconds = time.monotonic() - began
    log(f"It was: {state.section}. What happened: {state.happened}.")
    if state.alerts:
        log(f"Alerts that show it: {', '.join(state.alerts)}.")
    log("The runbook says to type:\n" + "\n".join(f"    {line}" for line in state.type))
    if not healed:
        log(f"Not healthy after {seconds:.0f} s.")
        return False
    log(f"Healthy again after {seconds:.0f} s.")
    missed = _missed(site.operator)
    log("\n".join(["What was missed:", *missed]) if missed else "Nothing was missed.")
    return not missed


_INVITATION = """Something is wrong. Find it and repair it within {minutes:.0f} minutes.
In a new terminal, where no COUPON_* variable is set, in the project's folder:

    export PATH="$PWD/.venv/bin:$PATH" COUPON_STATE_DIR={folder}
    coupon doctor

Every command of docs/how-to/runbook.md works there, and `coupon monitor` prints a link to the page.
Ctrl-C here ends the drill."""


def is_over(findings: Findings, state: State) -> bool:
    """Whether nothing is failing or unknown, and nothing is left of the state."""
    return not any(
        each["level"] in UNWELL or (each["level"] != "ok" and each["section"] in state.doctor)
        for each in findings
    )


def _await_named(operator: Operator, state: State) -> None:
    eventually(lambda: state.is_named(operator.findings()), NAMED_WITHIN_SECONDS, "it is there")


def _await_well(operator: Operator, state: State, limit_s: float) -> bool:
    """Twice in a row: a task that is restarted again and again runs for a moment each time."""
    before = False
    for _ in attempts(limit_s, PAUSE_SECONDS):
        now = is_over(operator.findings(), state)
        if now and before:
            return True
        before = now
    return False


def _symptom(answer: Response) -> str:
    """What a user notices."""
    if answer.accepted:
        return "Claims are accepted."
    return f"A claim was answered {answer.status or 'nothing'} {answer.reason}."


def _missed(operator: Operator) -> list[str]:
    """What is left to do: warnings of doctor, and what verify finds."""
    warnings = [
        f"    {each['check']}: {each['says']}"
        for each in operator.findings()
        if each["level"] != "ok"
    ]
    done = operator.type(VERIFY)
    if done.returncode:
        warnings.append(f"    {VERIFY}: {done.stdout.strip() or done.stderr.strip()}")
    return warnings
