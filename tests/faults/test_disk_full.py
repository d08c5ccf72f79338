"""Postgres' volume is full: claims get 503, and succeed again once there is free space."""

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chaos.recovery import await_recovery
from chaos.target import Target
from chaos.trial import Trial
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from stack.folder import StateFolder
from tests.support.volume import Volume, mounted

VOLUME = "512m"
USERS = ("postgres", "nobody")


@pytest.fixture
def volume() -> Iterator[Volume]:
    """Mounted for this test."""
    with mounted(VOLUME) as volume:
        yield volume


@pytest.fixture
def own_target(volume: Volume, tmp_path: Path) -> Iterator[Target]:
    """A separate stack, whose Postgres is on the volume."""
    folder = StateFolder(tmp_path / "state")
    folder.create()
    home = volume.path / "home"
    home.mkdir(mode=0o700)
    known = [each for each in pwd.getpwall() if each.pw_name in USERS]
    user = min(known, key=lambda each: USERS.index(each.pw_name))
    os.chown(home, user.pw_uid, user.pw_gid)
    (folder.path / "postgres").symlink_to(home)
    stack = DisposableStack(folder.path)
    try:
        stack.up()
        with closing(Target(stack)) as target:
            target.open()
            yield target
    finally:
        volume.make_room()
        stack.wipe()


def test_claims_survive_a_full_disk(
    volume: Volume, own_target: Target, seed: int, found: Callable[[list[str]], str]
) -> None:
    trial = Trial(own_target, str(seed))
    with trial.claims():
        volume.fill()
        eventually(lambda: trial.history.statuses()[503] > 20, 60, "claims are answered with 503")
        volume.make_room()
        own_target.revive()
        recovery = await_recovery(own_target.where, trial.history)
        print(recovery)
    violations = trial.verdict()
    assert violations == [], found(violations)
