"""Random faults for as long as you like: python -m chaos --minutes 30 --seed 7"""

import random
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from chaos.nemesis import Incident, Tally, Tell, schedule, strike
from chaos.site import Site
from chaos.trial import Trial
from stack.disposable import DisposableStack, disposable_stack

TRIAL_SECONDS = 150.0
"""How long faults go on before everything is healed and checked."""


@click.command()
@click.option("--minutes", default=30.0, help="How long faults are caused.")
@click.option("--seed", type=int, help="Decides which faults when [default: another each time].")
@click.option(
    "--fault",
    "only",
    multiple=True,
    help='Only this one, such as "kill connect"; more of them if given again.',
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Use this running stack; by default one of its own is started, and removed at the end.",
)
@click.option(
    "--logs",
    type=click.Path(path_type=Path),
    default=Path("chaos-logs"),
    help="Where the parts' logs are kept when a promise was broken.",
)
def main(
    minutes: float, seed: int | None, only: tuple[str, ...], state: Path | None, logs: Path
) -> None:
    """Cause faults at random while people claim, and check every promise again and again.

    Exits 1 when one was broken, naming each request that shows it.
    """
    seed = random.randrange(1_000_000) if seed is None else seed
    tell = _teller()
    tell(f"seed {seed}")
    tally = Tally()
    with ExitStack() as opened:
        site = Site(_stack(opened, state))
        site.open()
        opened.callback(site.close)
        try:
            violations = _run(site, seed, only, minutes * 60, tally, tell)
        except BaseException:
            _keep(site, logs, tell)
            raise
        print(f"\n{tally.table()}\n")
        if violations:
            print("\n".join(violations))
            _keep(site, logs, tell)
            tell(f"a promise was broken; the same faults again: --seed {seed}")
            sys.exit(1)
    tell(f"0 lost, 0 double, 0 oversold; Redis equals Postgres (seed {seed})")


def _run(
    site: Site, seed: int, only: tuple[str, ...], seconds: float, tally: Tally, tell: Tell
) -> list[str]:
    """One trial after the other, until the time is over or a promise is broken."""
    until = time.monotonic() + seconds
    number = 0
    incidents: Iterator[Incident] | None = None
    while time.monotonic() < until:
        number += 1
        trial = Trial(site, f"{seed}/{number}")
        incidents = incidents or schedule(seed, _chosen(trial, only))
        with trial.claims():
            end = min(until, time.monotonic() + TRIAL_SECONDS)
            while time.monotonic() < end:
                _next(trial, next(incidents), tally, tell)
        statuses = trial.history.statuses()
        violations = trial.verdict()
        told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
        tell(f"trial {number}: answers {told}; violations: {len(violations)}")
        if violations:
            return violations
    return []


def _chosen(trial: Trial, only: tuple[str, ...]) -> list[str]:
    if unknown := set(only) - set(trial.faults):
        known = ", ".join(trial.faults)
        raise click.UsageError(f"no such fault: {', '.join(sorted(unknown))}; there are: {known}")
    return list(only or trial.faults)


def _next(trial: Trial, incident: Incident, tally: Tally, tell: Tell) -> None:
    time.sleep(incident.calm_s)
    tally.add(incident, strike(trial, incident, tell))


def _stack(opened: ExitStack, state: Path | None) -> DisposableStack:
    if state is None:
        return opened.enter_context(disposable_stack())
    running = DisposableStack(state.absolute())
    running.adopt()
    return running


def _keep(site: Site, logs: Path, tell: Tell) -> None:
    shutil.copytree(site.folder.path / "log", logs, dirs_exist_ok=True)
    tell(f"the parts' logs are in {logs}")


def _teller() -> Tell:
    began = time.monotonic()
    return lambda line: print(f"{time.monotonic() - began:7.1f} s  {line}", flush=True)


if __name__ == "__main__":
    main()
