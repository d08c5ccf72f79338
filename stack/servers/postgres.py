"""Postgres: its data folder, created once with the registry's database, and its settings."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from coupons.waiting import attempts
from stack.environment import server_environment
from stack.errors import SettingError, StackError
from stack.folder import StateFolder
from stack.parts import Part
from stack.ports import HOST
from stack.probes import postgres_accepts
from stack.processes import Account, Command
from stack.servers.postgres_homes import is_used, make_home, note_link

_ORPHANS_DEADLINE_S = 20.0
_POLL_S = 0.05
_USER_SETTING = "COUPON_POSTGRES_USER"
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # For coupon_ops, so that the doctor can connect when all others are in use.
    "reserved_connections": "8",
}
# In a file, not on the command line, so that ALTER SYSTEM can change them while it runs.
_CHANGEABLE = """
max_slot_wal_keep_size = 2GB
max_wal_size = 2GB
jit = off
"""
_CHANGEABLE_FILE = "coupon.conf"
_INCLUDE = f"\ninclude_if_exists = '{_CHANGEABLE_FILE}'\n"
# REPLICATION allows more than the change stream needs: no physical replication here.
_ACCESS = "host replication coupon_cdc all reject\n"
_REGISTRY_DATABASE = """
CREATE ROLE coupon_registry LOGIN PASSWORD '{password}'
CREATE DATABASE registry OWNER coupon_registry
REVOKE ALL ON DATABASE registry FROM PUBLIC
REVOKE ALL ON DATABASE postgres FROM PUBLIC
REVOKE ALL ON DATABASE template1 FROM PUBLIC
"""


def postgres_part(folder: StateFolder, programs: Path, port: int) -> Part:
    """programs: the unpacked distribution in the cache."""

    def command() -> Command:
        account = _account(folder)
        home = account.home if account else _own_home(folder)
        binaries = _enterable(programs, account)
        if (home / "data").exists():
            _await_no_orphans(home / "data")
        else:
            _make_cluster(folder, binaries, home, account)
        _write_changeable(home / "data", account)
        _narrow_access(home / "data")
        settings = {**_SETTINGS, "port": str(port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Command(
            [binaries / "bin" / "postgres", "-D", home / "data", *options],
            server_environment(),
            home,
            account,
            stop_signal=signal.SIGINT,
            stop_deadline_s=30.0,
        )

    return Part("postgres", command, lambda: postgres_accepts(port), {"postgres": port})


def _write_changeable(data: Path, account: Account | None) -> None:
    file = data / _CHANGEABLE_FILE
    file.write_text(_CHANGEABLE.lstrip())
    if account:
        os.chown(file, account.uid, account.gid)
    own = data / "postgresql.conf"
    if _INCLUDE not in own.read_text("utf-8"):
        with own.open("a", encoding="utf-8") as end:
            end.write(_INCLUDE)


def _narrow_access(data: Path) -> None:
    """Put the rule before all others: Postgres uses the first that matches."""
    file = data / "pg_hba.conf"
    lines = file.read_text("utf-8")
    if _ACCESS not in lines:
        file.write_text(_ACCESS + lines, "utf-8")


def _await_no_orphans(data: Path) -> None:
    """Wait until backends have noticed that their postmaster was killed: until then none starts."""
    for _ in attempts(_ORPHANS_DEADLINE_S, _POLL_S):
        if not is_used(data):
            return
    raise StackError(f"processes of an earlier Postgres still use {data}: see `ps -ef`")


def _own_home(folder: StateFolder) -> Path:
    home = folder.path / "postgres"
    home.mkdir(mode=0o700, exist_ok=True)
    return home


def postgres_home(folder: StateFolder) -> Path | None:
    """The data folder of this stack's Postgres; outside the state folder when root runs it."""
    home = folder.path / "postgres"
    return home.resolve() if home.exists() else None


def _account(folder: StateFolder) -> Account | None:
    """For root: the unprivileged user to run as, with a folder outside the state folder."""
    if os.geteuid() != 0:
        return None
    user = _unprivileged_user()
    link = folder.path / "postgres"
    if not link.exists():
        link.unlink(missing_ok=True)
        home = make_home()
        os.chown(home, user.pw_uid, user.pw_gid)
        link.symlink_to(home)
    note_link(link.resolve(), link)
    return Account(user.pw_uid, user.pw_gid, link.resolve())


def _unprivileged_user() -> pwd.struct_passwd:
    named = os.environ.get(_USER_SETTING)
    for name in [named] if named else ["postgres", "nobody"]:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0:
            return user
    raise SettingError(
        f"Postgres does not run as root and {named or 'postgres or nobody'} is not an unprivileged "
        f"user here: set {_USER_SETTING} to one"
    )


def _enterable(programs: Path, account: Account | None) -> Path:
    """The programs; for another account copied next to the data, because the cache is private."""
    if account is None:
        return programs
    copy = account.home / programs.name
    if not copy.exists():
        fresh = copy.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(programs, fresh, symlinks=True)
        fresh.rename(copy)
    return copy


def _make_cluster(folder: StateFolder, binaries: Path, home: Path, account: Account | None) -> None:
    """Create the data folder under another name, and rename it when it is complete."""
    fresh = home / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    password_file = home / "password"
    password_file.write_text(folder.secret("postgres"))
    password_file.chmod(0o600)
    if account:
        os.chown(password_file, account.uid, account.gid)
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
    access = ["--username=postgres", f"--pwfile={password_file}", "--auth=scram-sha-256"]
    initdb = [str(binaries / "bin" / "initdb"), "-D", str(fresh), "--builtin-locale=C.UTF-8"]
    try:
        _run([*initdb, *locale, *access, "--data-checksums"], home, account)
    finally:
        password_file.unlink()
    sql = _REGISTRY_DATABASE.format(password=folder.secret("coupon_registry")).lstrip()
    _run([binaries / "bin" / "postgres", "--single", "-D", fresh, "postgres"], home, account, sql)
    fresh.rename(home / "data")


def _run(
    args: Sequence[str | Path], home: Path, account: Account | None, text: str | None = None
) -> None:
    done = subprocess.run(
        args,
        input=text,
        cwd=home,
        env=server_environment(),
        capture_output=True,
        text=True,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0 or "ERROR" in done.stderr:
        name = Path(args[0]).name
        raise StackError(f"{name} could not make the database in {home}:\n{done.stderr.strip()}")
