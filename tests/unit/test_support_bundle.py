"""`coupon support-bundle`: no secret leaves the machine, and nothing that is down prevents it."""

import json
import os
import stat
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.process.settings import is_secret, variable_of
from docs.make.settings import PROCESSES
from operations.support_bundle.archive import gather, write_archive
from operations.support_bundle.contents import LOG_BYTES
from operations.support_bundle.redaction import Redactor
from operations.support_bundle.secrets import is_secret_setting, known_secrets
from stack.endpoints import StackEndpoints
from stack.folder import StateFolder
from stack.options import choose, remember
from stack.processes import Running
from tests.support.answers import Answers
from tests.support.certificates import Authority

NOWHERE = "127.0.0.1:1"
RECORDED = json.loads((Path(__file__).parent / "data" / "monitor_state.json").read_text("utf-8"))
SECRET_SETTINGS = sorted(
    {
        variable_of(name)
        for settings in PROCESSES.values()
        for name, field in settings.model_fields.items()
        if is_secret(field)
    }
)


class Planted:
    """A secret of its own for each setting, all of them in the environment."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secrets: dict[str, str] = {}
        self._folder = folder
        self._patch = monkeypatch
        for name in [each for each in os.environ if each.startswith("COUPON_")]:
            monkeypatch.delenv(name)

    def secret(self, of: str) -> str:
        """New, with characters that URLs, JSON and shells write in another way."""
        return self.secrets.setdefault(of, f's3/cr"e+t é{len(self.secrets):02d}{of[-4:]}')

    def set(self, name: str, value: str) -> None:
        self._patch.setenv(name, value)

    def url(self, name: str, scheme: str, query: str = "") -> None:
        """A URL with a password."""
        password = quote(self.secret(name), safe="")
        self.set(name, f"{scheme}://somebody:{password}@{NOWHERE}/0{query}")

    def file(self, name: str) -> None:
        """A file that holds a secret."""
        path = self._folder / name.lower()
        path.write_text(self.secret(name) + "\n")
        self.set(name, str(path))

    def everything(self) -> None:
        authority = Authority(self._folder, "ca")
        pair = authority.client()
        self.secrets["TLS key"] = pair.key.read_text().splitlines()[1]
        self.url("COUPON_DATABASE_URL", "postgresql", f"?sslmode=disable&sslkey={pair.key}")
        self.url("COUPON_REDIS_URL", "redis")
        for name in ("SCHEMA_REGISTRY", "CONNECT", "API", "API_MANAGEMENT"):
            self.url(f"COUPON_{name}_URL", "http")
        self.set("COUPON_KAFKA_BOOTSTRAP_SERVERS", NOWHERE)
        self.set("COUPON_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
        self.set("COUPON_KAFKA_CERTIFICATE_FILE", str(pair.certificate))
        self.set("COUPON_KAFKA_KEY_FILE", str(pair.key))
        self.set("COUPON_KAFKA_SASL_USER", "somebody")
        self.file("COUPON_KAFKA_SASL_PASSWORD_FILE")
        self.file("COUPON_JWT_KEY_FILE")
        self.set("COUPON_PARTNER_API_KEY", self.secret("COUPON_PARTNER_API_KEY"))
        self.set("COUPON_CDC_DATABASE_PASSWORD", self.secret("COUPON_CDC_DATABASE_PASSWORD"))
        passwords = self._folder / "passwords"
        passwords.mkdir()
        (passwords / "coupon_ops").write_text(self.secret("a role"))
        self.set("COUPON_PASSWORDS_DIR", str(passwords))

    def are_in(self, text: str) -> list[str]:
        """The secrets that can be found, in whatever way they are written."""
        return [
            of
            for of, secret in self.secrets.items()
            if any(form in text for form in _written(secret))
        ]


def _written(secret: str) -> list[str]:
    return [secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]]


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    return Planted(tmp_path, monkeypatch)


@pytest.fixture
def monitor() -> Iterator[Answers]:
    served = Answers(200, json.dumps(RECORDED))
    yield served
    served.stop()


def _bundle(path: Path, *options: str) -> tuple[Result, dict[str, str]]:
    done = CliRunner().invoke(main, ["support-bundle", str(path), *options])
    assert done.exit_code == 0, done.output
    return done, _files(path)


def _files(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {
            each.name.removeprefix("coupon-support/"): file.read().decode()
            for each in tar.getmembers()
            if (file := tar.extractfile(each)) is not None
        }


def test_no_secret_of_any_setting_is_in_it(
    planted: Planted, monitor: Answers, tmp_path: Path
) -> None:
    planted.everything()
    why = " ".join(form for secret in planted.secrets.values() for form in _written(secret))
    monitor.body = json.dumps({**RECORDED, "note": why})
    planted.set("COUPON_MONITOR_URL", monitor.url)
    done, files = _bundle(tmp_path / "report.tar.gz", "--json")
    assert len(planted.secrets) > 10
    assert planted.are_in("\n".join([done.output, *files, *files.values()])) == []
    shell = json.loads(files["settings.json"])["this shell"]
    assert shell["COUPON_DATABASE_URL"].startswith("postgresql://somebody:[hidden]@127.0.0.1:1/0")
    assert shell["COUPON_KAFKA_SASL_USER"] == "somebody"
    assert shell["COUPON_PARTNER_API_KEY"] == "[hidden]"
    assert json.loads(files["state.json"])["pipeline"] == RECORDED["pipeline"]
    assert "[hidden]" in json.loads(files["state.json"])["note"]
    assert json.loads(files["doctor.json"])["verdict"].startswith("Something is failing")
    told = json.loads(done.output)
    assert {each["name"] for each in told["missing"]} == {
        *("connector.json", "gate.json", "slot.json", "logs"),
    }
    for each in told["missing"]:
        assert f"{each['name']}: missing: {each['why']}" in files["README.txt"]


@pytest.mark.parametrize("name", SECRET_SETTINGS)
def test_the_password_of_every_secret_setting_is_known(name: str) -> None:
    environment = {name: "http://a:1/x,https://u:p%2Fssw0rd@h:2/?ca_file=/x"}
    assert {"p%2Fssw0rd", "p/ssw0rd"} <= known_secrets([environment], None)
    shown = Redactor(known_secrets([environment], None)).value(environment)[name]
    whole = is_secret_setting(name)
    assert shown == ("[hidden]" if whole else "http://a:1/x,https://u:[hidden]@h:2/?ca_file=/x")


@pytest.mark.parametrize("name", ["PWD", "OLDPWD"])
def test_the_folder_that_a_shell_is_in_is_no_password(name: str) -> None:
    assert known_secrets([{name: "/srv/coupon", "DB_PWD": "pass-12"}], None) == {"pass-12"}


def test_a_setting_that_names_a_secret_is_hidden_and_a_path_is_not() -> None:
    assert is_secret_setting("COUPON_PARTNER_API_KEY")
    assert is_secret_setting("PGPASSWORD")
    for name in ("COUPON_JWT_KEY_FILE", "COUPON_PASSWORDS_DIR", "COUPON_LOG_LEVEL"):
        assert not is_secret_setting(name)


@pytest.mark.parametrize(
    "line",
    [
        "connection to postgresql://ops:Pl4nted@db:5432/coupon failed",
        "GET / Authorization: Bearer Pl4nted.Pl4nted",
        "Authorization: Basic UGw0bnRlZDpQbDRudGVk Pl4nted-not"[:45],
        'sasl.password = "Pl4nted"',
        '{"password": "Pl4nted", "x": 1}',
        "password=Pl4nted&user=x",
        "X-Api-Key: Pl4nted",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0NzExIn0.Pl4nted",
        "-----BEGIN PRIVATE KEY-----\nPl4nted\n-----END PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----\nPl4nted",
    ],
)
def test_what_looks_like_a_secret_is_hidden_too(line: str) -> None:
    shown = Redactor([]).text(line)
    assert "[hidden]" in shown
    assert "Pl4nted" not in shown
    assert "UGw0bnRlZDpQbDRudGVk" not in shown


@pytest.mark.parametrize(
    "line",
    [
        '{"request_id": "00000000-0000-800e-8000-000000001267", "user_id": "4711"}',
        "Postgres cannot be reached at http://127.0.0.1:5432/x: password authentication failed",
        '"database.password": "${env:COUPON_CDC_DATABASE_PASSWORD}"',
        "coupon 7: 1,200 requests in 3.4 s",
    ],
)
def test_other_lines_are_left_as_they_are(line: str) -> None:
    assert Redactor([]).text(line) == line


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """Of a stack that has run, and is down."""
    state = StateFolder(tmp_path / "state")
    state.create()
    remember(state, choose(state, "+500", {}, consumers=1, servers_only=False))
    for part in ("api", "connect", "postgres"):
        running = Running(2**22 - 1, 1.0, "run", 2**22 - 1, time.time(), 0, 15, 1.0)
        state.part(part).save(running)
        state.part(part).exit_file.write_text("1 1")
    return state


def test_logs_of_a_stack_that_is_down_are_in_it_without_its_secrets(
    planted: Planted, folder: StateFolder, tmp_path: Path
) -> None:
    secret = folder.secret("coupon_ops")
    url = f"postgresql://coupon_ops:{secret}@127.0.0.1/coupon"
    folder.part("api").log.write_text(f"first\n{url}\n{json.dumps({'x': secret})}\nlast\n")
    folder.part("connect").log.write_bytes(b"\xff\xfe not text \x00\n")
    done, files = _bundle(tmp_path / "report.tar.gz", "--state", str(folder.path))
    assert secret not in "\n".join([done.output, *files.values()])
    assert files["logs/api.log"].splitlines()[0::3] == ["first", "last"]
    assert "not text" in files["logs/connect.log"]
    assert "stack.json" in files, files["README.txt"]
    parts = {each["name"]: each for each in json.loads(files["stack.json"])["parts"]}
    assert parts["api"]["state"] == "down"
    for name in ("state.json", "connector.json", "gate.json", "slot.json", "logs/postgres.log"):
        assert f"{name}: missing: " in files["README.txt"]
        assert f"missing: {name}: " in done.output
    assert "monitor of the stack in" in files["README.txt"]


def test_a_log_is_cut_at_a_line_and_bounded(folder: StateFolder, planted: Planted) -> None:
    line = "x" * 99 + "\n"
    folder.part("api").log.write_text(line * (2 * LOG_BYTES // 100))
    text = gather(StackEndpoints(folder, "ops")).files["logs/api.log"]
    assert LOG_BYTES - 200 < len(text) <= LOG_BYTES
    assert set(text.splitlines()) == {"x" * 99}


def test_only_its_owner_can_read_it_and_no_file_is_overwritten(
    planted: Planted, folder: StateFolder, tmp_path: Path
) -> None:
    path = tmp_path / "report.tar.gz"
    before = os.umask(0)
    try:
        _bundle(path, "--state", str(folder.path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = path.read_bytes()
    again = CliRunner().invoke(main, ["support-bundle", str(path), "--state", str(folder.path)])
    assert again.exit_code == 2
    assert "exists: name another file" in again.output
    assert path.read_bytes() == written


def test_nothing_is_left_of_an_archive_that_cannot_be_written(
    folder: StateFolder, planted: Planted, tmp_path: Path
) -> None:
    bundle = gather(StackEndpoints(folder, "ops"))
    files: dict[str, Any] = {**bundle.files, "broken": None}
    broken = bundle._replace(files=files)
    with pytest.raises(AttributeError):
        write_archive(broken, tmp_path / "report.tar.gz")
    assert not (tmp_path / "report.tar.gz").exists()


def test_it_says_what_is_in_it_and_that_ids_are(
    planted: Planted, folder: StateFolder, tmp_path: Path
) -> None:
    done, files = _bundle(tmp_path / "report.tar.gz", "--state", str(folder.path))
    for text in (done.output, files["README.txt"]):
        assert "Ids of users, coupons and requests" in text
        assert "Read it before you send it." in text
    versions = json.loads(files["versions.json"])
    assert versions["servers"]["debezium"]
    assert versions["packages"]["rich"]
    assert json.loads(files["machine.json"])["processors"]
