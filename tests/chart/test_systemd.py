"""The systemd units: settings that their processes take, and what these may not do."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from coupons.process.settings import load_settings
from coupons.receipts import new_private_key
from docs.make import systemd
from tests.chart.test_rendered import SETTINGS

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICES = (*systemd.PROCESSES, *systemd.ONCE)
PAGE = ROOT / "docs" / "how-to" / "systemd.md"
MADE = ROOT / "compose" / "make-secrets"


def _unit(service: str) -> dict[str, list[str]]:
    """What a unit says, by name."""
    found = defaultdict(list)
    for line in (UNITS / systemd.unit_of(service)).read_text("utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[name].append(value)
    return found


def _settings(service: str, credentials: Path) -> dict[str, str]:
    """The environment of a service: its file's, and its unit's with the specifiers filled in."""
    lines = shlex.split((UNITS / f"{service}.env").read_text("utf-8"), comments=True)
    lines += _unit(service)["Environment"]
    filled = [
        line.replace("%d", str(credentials)).replace("%l", "shop-1").replace("%i", "2")
        for line in lines
    ]
    return dict(line.split("=", 1) for line in filled)


def test_the_folder_holds_what_is_generated_and_nothing_else() -> None:
    assert sorted(file.name for file in UNITS.iterdir()) == sorted(systemd.files())


@pytest.mark.parametrize("service", systemd.PROCESSES)
def test_each_process_starts_with_the_settings_that_its_unit_gives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: str
) -> None:
    for secret in _unit(service)["LoadCredential"]:
        (tmp_path / secret.partition(":")[0]).write_text(new_private_key())
    environment = _settings(service, tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    load_settings(SETTINGS[service])
    files = [value for value in environment.values() if value.startswith(str(tmp_path))]
    assert [file for file in files if not Path(file).exists()] == []


def test_every_process_listens_on_the_loopback_address_and_on_ports_of_its_own(
    tmp_path: Path,
) -> None:
    ports = []
    for service in systemd.PROCESSES:
        for name, value in _settings(service, tmp_path).items():
            assert not name.endswith("_HOST") or value == "127.0.0.1", (service, name)
            ports += [value] if name.endswith("_PORT") else []
    assert len(set(ports)) == len(ports) == 5


def test_the_monitor_asks_each_consumer_that_is_started(tmp_path: Path) -> None:
    started = re.findall(r"coupon-consumer@(\d)\.service", systemd.render("coupon.target"))
    [port] = [each for each in _unit("consumer")["Environment"] if "PORT" in each]
    urls = _settings("monitor", tmp_path)["COUPON_CONSUMER_URLS"].split(",")
    assert urls == [
        f"http://127.0.0.1:{port.partition('=')[2].replace('%i', number)}" for number in started
    ]


def test_each_unit_that_the_page_enables_can_be_enabled() -> None:
    """Without [Install], `systemctl enable` makes no link, and the unit is off after a boot."""
    commands = re.findall(r"systemctl enable --now ([^`\n]+)", PAGE.read_text("utf-8"))
    enabled = {unit for command in commands for unit in command.split()}
    assert enabled == {"coupon.target", "coupon-consumer@4"}
    for unit in enabled:
        file = re.sub(r"@\d$", "@.service", unit)
        assert "\n[Install]\nWantedBy=" in (UNITS / file).read_text("utf-8"), unit


@pytest.mark.parametrize("service", systemd.PROCESSES)
def test_only_the_first_process_of_a_unit_is_told_to_stop(service: str) -> None:
    """The API's workers would else refuse what it still takes while it drains."""
    assert _unit(service)["KillMode"] == ["mixed"]


def test_the_connector_is_registered_only_after_the_migrations() -> None:
    assert _unit("connector")["Requires"] == ["coupon-migrate.service"]
    [after] = _unit("connector")["After"]
    assert "coupon-migrate.service" in after.split()


@pytest.mark.parametrize("service", [*SERVICES, "ops"])
def test_a_shell_reads_an_address_with_options_from_a_file(tmp_path: Path, service: str) -> None:
    lines = (UNITS / f"{service}.env").read_text("utf-8")
    changed = re.sub(r"(=.*://[^']*)", r"\1?sslmode=verify-full&connect_timeout=3", lines)
    (tmp_path / "file.env").write_text(changed)
    program = f"set -a; . {tmp_path}/file.env; env -0"
    command = ["sh", "-ec", program]
    clean = {"PATH": os.defpath}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=clean)
    assert set(shlex.split(changed, comments=True)) <= set(done.stdout.split("\0"))
    assert done.stderr == ""


def test_each_secret_of_a_unit_is_made_by_make_secrets(tmp_path: Path) -> None:
    subprocess.run([str(MADE), str(tmp_path)], check=True)
    for service in SERVICES:
        for secret in _unit(service)["LoadCredential"]:
            name, path = secret.split(":")
            assert path == f"{systemd.SECRETS_HERE}/{name}"
            assert (tmp_path / name).exists(), secret


def test_no_secret_is_in_a_unit_or_in_its_file() -> None:
    """Passwords come as credentials of systemd, which only the process can read."""
    for file in UNITS.iterdir():
        text = file.read_text("utf-8")
        assert not re.search(r"PASSWORD=|://[^/@\s]*:[^/@\s]*@", text), file.name


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@needs_systemd
@pytest.mark.parametrize("service", SERVICES)
def test_a_unit_exposes_no_more_than_the_page_says(service: str) -> None:
    [stated] = re.findall(r"at most\s+\*\*([\d.]+)\*\*", PAGE.read_text("utf-8"))
    unit = str(UNITS / systemd.unit_of(service))
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    [found] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(found) <= float(stated)


@needs_systemd
def test_systemd_knows_every_word_of_the_units() -> None:
    """It misses only the programs, which are not installed here."""
    units = [str(file) for file in UNITS.iterdir() if file.suffix != ".env"]
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True)
    missing = re.compile(rf"\S+: Command {systemd.PROGRAMS}/\S+ is not executable: No such file.*")
    unknown = [
        line
        for line in done.stderr.splitlines()
        if str(UNITS) in line or ("coupon" in line and not missing.fullmatch(line))
    ]
    assert unknown == []


def test_no_process_needs_memory_that_is_written_and_run() -> None:
    """What MemoryDenyWriteExecute forbids, asked of the kernel alone (Linux 6.3)."""
    program = """
import ctypes, mmap
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:
    raise SystemExit(77)
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    pass
else:
    raise SystemExit("it is not forbidden")
import api.management, api.server, api.worker, cdc_consumer.bootstrap, cli.main
import cli.commands.connector, cli.commands.migrate, monitor.service, reconciler.service
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert done.returncode == 0, done.stderr
