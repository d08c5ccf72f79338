"""Postgres' data of a stack whose state folder is gone is named, with what removes it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from stack.folder import StateFolder
from stack.options import choose, remember
from stack.processes import Running
from stack.servers.postgres_homes import left_over, note_link
from tests.support.servers import PostgresServer

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root's Postgres is outside of the state folder"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    """A Postgres; whatever became of it, nothing stays."""
    made = PostgresServer(tmp_path / "killed")
    made.start()
    run, home = made.folder.part("postgres").last_run(), made.home
    assert run is not None
    assert home is not None
    yield made
    end(run)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def other(folder: StateFolder) -> StateFolder:
    """The folder of another stack, which is not running."""
    remember(folder, choose(folder, "+500", {}, consumers=1, servers_only=False))
    return folder


def end(run: Running) -> None:
    for each in run.family():
        each.kill()
        each.wait(10)


def status(folder: StateFolder, *options: str) -> str:
    return CliRunner().invoke(main, ["status", "--state", str(folder.path), *options]).stdout


def homes() -> list[Path]:
    return [each.home for each in left_over()]


def test_what_a_killed_stack_left_is_named_until_the_command_that_is_shown_is_typed(
    server: PostgresServer, other: StateFolder
) -> None:
    home, run = server.home, server.folder.part("postgres").last_run()
    assert home is not None
    assert run is not None
    end(run)
    assert home not in homes(), "its state folder is there: `coupon up` goes on with it"
    shutil.rmtree(server.folder.path)
    assert str(home) in json.loads(status(other, "--json"))["left_over"]
    said = status(other)
    assert f"whose folder {server.folder.path} is gone" in said
    [typed] = re.findall(rf"type: (rm -r {home})$", said, re.MULTILINE)
    subprocess.run(typed, shell=True, check=True)
    assert not home.exists()
    assert str(home) not in status(other)


def test_the_data_of_a_postgres_that_runs_is_not_named(server: PostgresServer) -> None:
    home = server.home
    shutil.rmtree(server.folder.path)
    assert home is not None
    assert home not in homes()


def test_the_note_follows_a_state_folder_that_was_moved(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("first", "moved"):
        note_link(home, tmp_path / name / "postgres")
    [note] = home.iterdir()
    assert note.read_text("utf-8") == str(tmp_path / "moved" / "postgres")
    # Postgres' user owns the folder: a link of theirs is not followed.
    note.unlink()
    note.symlink_to(tmp_path / "of-root")
    note_link(home, tmp_path / "x")
    assert not (tmp_path / "of-root").exists()
