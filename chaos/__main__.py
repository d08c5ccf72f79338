"""Random faults for as long as you like: python -m chaos --minutes 30 --seed 7"""

import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from chaos.history import History
from chaos.nemesis import Incident, Print, Tally, cause_incidents, schedule
from chaos.target import Target
from chaos.trial import Trial
from cli.failures import run_program
from stack.disposable import DisposableStack, disposable_stack

TRIAL_SECONDS = 150.0
"""How long faults are caused before everything is healed and checked."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", default=30.0, show_default=True, help="How long faults are caused.")
@click.option("--seed", type=int, help="Decides which faults, when [default: random].")
@click.option(
    "--fault",
    "only",
    multiple=True,
    metavar="NAME",
    help='Cause only this fault, for example "kill connect"; repeat the option for more faults.',
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Use the running stack of this state folder [default: a new stack, removed afterwards].",
)
@click.option(
    "--logs",
    type=click.Path(path_type=Path),
    default=Path("chaos-logs"),
    show_default=True,
    help="Folder for the logs of the stack's parts when a promise was broken.",
)
def main(
    minutes: float, seed: int | None, only: tuple[str, ...], state: Path | None, logs: Path
) -> None:
    """Cause faults at random during claims, and check every promise.

    A run is a series of trials. In a trial, callers claim three coupons, users wait in line for a
    fourth and in the waiting rooms of two more, and one is open to a list, while faults happen: a
    process is killed or paused, a network link is cut, Redis loses its data, garbage is written to
    the topic. Tills use issued coupons meanwhile, cancel uses and revoke some. Small coupons are
    closed and archived, users are erased, and rehearsals are held. After 150 s everything
    is healed, and the checkers compare what callers and tills saw with what Postgres, Redis and
    Kafka hold.

    The same seed causes the same faults in the same order.

    \b
      make chaos MINUTES=10 SEED=7
      python -m chaos --minutes 10 --seed 7
      python -m chaos --minutes 2 --fault "kill connect" --fault "redis flushed"

    \b
    Faults:
      kill PART, pause PART; PART: postgres, valkey, kafka, registry, connect,
        api, api worker, consumer-1, reconciler
      cut LINK, lose requests LINK, lose answers LINK, silence LINK;
        LINK: api to postgres, api to redis, consumer to postgres,
        consumer to redis
      redis flushed, redis restored, scripts flushed, backends terminated
      connector restarted, task restarted in a batch,
        connect killed in a batch
      stop consumer-1 beyond its session,
        stop dynamic consumer beyond its session,
        stop everything beyond the session
      rebalance, consumer-1 fenced, garbage

    Exits with 1 when a promise was broken, and names each request that shows it.
    """
    seed = random.randrange(1_000_000) if seed is None else seed
    log = _timed_print()
    log(f"seed {seed}")
    tally = Tally()
    with ExitStack() as opened:
        log("starting a stack" if state is None else f"using the stack of {state}")
        target = Target(_stack(opened, state))
        target.open()
        opened.callback(target.close)
        try:
            violations = _run(target, seed, only, minutes * 60, tally, log)
        except BaseException:
            _keep_logs(target, logs, log)
            raise
        print(f"\n{tally.table()}\n")
        if violations:
            print("\n".join(violations))
            _keep_logs(target, logs, log)
            log(f"a promise was broken; to cause the same faults again: --seed {seed}")
            sys.exit(1)
    log(f"0 lost, 0 double, 0 oversold; Redis equals Postgres (seed {seed})")


def _run(
    target: Target, seed: int, only: tuple[str, ...], seconds: float, tally: Tally, log: Print
) -> list[str]:
    """Trials, one after the other, until the time is over or a promise is broken."""
    until = time.monotonic() + seconds
    number = 0
    incidents: Iterator[Incident] | None = None
    while time.monotonic() < until:
        number += 1
        trial = Trial(target, f"{seed}/{number}")
        incidents = incidents or schedule(seed, _chosen(trial, only))
        with trial.claims():
            end = min(until, time.monotonic() + TRIAL_SECONDS)
            cause_incidents(trial, incidents, end, tally, log)
        statuses = trial.history.statuses()
        violations = trial.verdict()
        changes = Counter(f"{each.status} {each.reason}".strip() for each in trial.history.changes)
        log(
            f"trial {number}: claims {_counts(statuses)}; violations: {len(violations)};"
            f" changes of issued coupons {_counts(changes)}; {_ends(trial.history)};"
            f" {_waiting(trial)}; {_admissions(trial.history)}"
        )
        if violations:
            return violations
    return []


def _counts(statuses: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


def _ends(history: History) -> str:
    archived = sum(sale.archived for sale in history.sales)
    erased = sum(len(sale.erased) for sale in history.sales)
    return f"{len(history.sales)} short sales, {archived} archived; {erased} users erased"


def _waiting(trial: Trial) -> str:
    states = Counter(each.state for each in trial.evidence.entries)
    return f"{len(trial.history.joined)} joined a line: {_counts(states)}"


def _admissions(history: History) -> str:
    """What was seen of waiting rooms, lists and rehearsals."""
    answered = [each for each in history.arrivals if each.ticket]
    again = sum(bool(each.sent) for each in answered)
    users = {each.key for each in answered}
    drawn = {each.user_id for each in answered if each.position not in (None, each.number)}
    early = sum(each.reason == "not_your_turn" for each in history.responses)
    seen = history.rehearsals
    return (
        f"{len(users)} arrived in rooms, {again} times with a ticket, {len(drawn)} moved by a lot,"
        f" {early} claims came early;"
        f" {len(history.lists)} lists; {len(seen.begun)} rehearsals with"
        f" {sum(seen.issued.values())} issued"
    )


def _chosen(trial: Trial, only: tuple[str, ...]) -> list[str]:
    if unknown := set(only) - set(trial.faults):
        names = "\n  ".join(trial.faults)
        raise click.UsageError(
            f"no such fault: {', '.join(sorted(unknown))}; the faults are:\n  {names}"
        )
    return list(only or trial.faults)


def _stack(opened: ExitStack, state: Path | None) -> DisposableStack:
    if state is None:
        return opened.enter_context(disposable_stack())
    running = DisposableStack(state.absolute())
    running.adopt()
    return running


def _keep_logs(target: Target, logs: Path, log: Print) -> None:
    shutil.copytree(target.folder.path / "log", logs, dirs_exist_ok=True)
    log(f"the logs of the parts are in {logs}")


def _timed_print() -> Print:
    began = time.monotonic()
    return lambda line: print(f"{time.monotonic() - began:7.1f} s  {line}", flush=True)


if __name__ == "__main__":
    run_program(main)
