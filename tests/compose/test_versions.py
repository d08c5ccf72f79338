"""The containers and the embedded stack are of one mind; needs no engine."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import jgo
import psutil
import pytest

from connectors.register import CONNECTOR_FILE
from coupons.ledger.roles import ROLES
from stack.artifacts import bundle_artifacts
from stack.folder import StateFolder
from stack.options import default_ports
from stack.servers import connect, kafka, postgres
from stack.servers.registry import registry_part
from stack.servers.valkey import valkey_part
from stack.versions import versions
from tests.compose.containers import COMPOSE

ROOT = COMPOSE.parent
SETTINGS_PAGE = ROOT / "docs" / "reference" / "settings.md"
TEXT = (COMPOSE / "compose.yaml").read_text("utf-8")
CONVERTER = "apicurio-registry-utils-converter"


def _tags(path: Path) -> dict[str, str]:
    lines = re.findall(r"^(?:FROM| *image:) (\S+?):(\S+)", path.read_text("utf-8"), re.MULTILINE)
    return {name: tag for name, tag in lines if not name.startswith("$")}


def _values(text: str) -> dict[str, str]:
    """NAME: value of every variable in capitals."""
    found = re.findall(r"^ +([A-Z][A-Z0-9_]+): (.+)$", text, re.MULTILINE)
    return {name: value.strip("'\"") for name, value in found}


def _service(name: str) -> str:
    found = re.search(rf"^  {name}:\n((?:    .*\n|\n)+)", TEXT, re.MULTILINE)
    assert found, name
    return found[1]


def _properties(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z][a-z.]+)=(.*)$", text, re.MULTILINE))


def test_compose_runs_the_versions_of_the_embedded_stack() -> None:
    pinned = versions()
    tags = _tags(COMPOSE / "compose.yaml")
    assert {name: tag for name, tag in tags.items() if not name.startswith("prom/")} == {
        "postgres": pinned["postgres"].partition(".")[0],
        "valkey/valkey": pinned["valkey"],
        "apache/kafka": pinned["kafka"],
        "apicurio/apicurio-registry": pinned["registry"],
    }
    assert _tags(COMPOSE / "Dockerfile")["quay.io/debezium/connect"] == pinned["debezium"]


def test_the_converter_of_the_connect_image_is_of_the_pinned_version() -> None:
    [converter] = [each for each in bundle_artifacts("plugins") if each.name == CONVERTER]
    assert converter.version == versions()["converter"]


def test_the_image_says_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    said = re.findall(r"^ARG COUPON_VERSION=(\S+)", (COMPOSE / "Dockerfile").read_text(), re.M)
    assert set(said) == {version}


def test_the_image_holds_the_connector_and_the_sql_of_the_project() -> None:
    copied = re.findall(r"^COPY (\w+) /project/", (COMPOSE / "Dockerfile").read_text(), re.M)
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    include = packaged["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {each.rstrip("*") for each in include} <= set(copied)
    assert CONNECTOR_FILE.parent.name in copied


def test_every_role_has_a_secret() -> None:
    named = set(re.findall(r"^  (coupon_\w+): \{file:", TEXT, re.MULTILINE))
    assert named >= {f"coupon_{role}" for role in ROLES}


def test_no_secret_is_in_the_file() -> None:
    assert not re.search(r"://[^/\s]*:[^/@\s]+@", TEXT)
    assert not [name for name in _values(TEXT) if re.search("PASSWORD$|SECRET$|TOKEN$", name)]


def test_every_variable_of_the_file_is_a_setting_that_exists() -> None:
    page = SETTINGS_PAGE.read_text("utf-8")
    set_here = {name for name in _values(TEXT) if name.startswith("COUPON_")}
    assert {"COUPON_DATABASE_URL", "COUPON_API_PORT", "COUPON_CDC_REGISTRY_URL"} <= set_here
    # Arguments of the images' builds.
    arguments = {"COUPON_EXTRAS", "COUPON_MAVEN_MIRROR", "COUPON_REVISION"}
    assert {name for name in set_here - arguments if f"`{name}`" not in page} == set()


def test_every_choice_of_the_file_is_in_the_example() -> None:
    example = (COMPOSE / ".env.example").read_text("utf-8")
    for name, default in re.findall(r"\$\{(COUPON_\w+):-([^}]*)\}", TEXT):
        assert f"#{name}={default}\n" in example, name
    for name in re.findall(r"\$\{(COUPON_\w+):\?", TEXT):
        assert f"\n{name}=" in example, name


def test_the_embedded_stack_and_the_containers_can_run_side_by_side() -> None:
    cluster = (COMPOSE / "cluster.yaml").read_text("utf-8")
    defaults = {int(port) for port in re.findall(r"PORT:-(\d+)\}", TEXT + cluster)}
    assert len(defaults) >= 10
    own = default_ports(consumers=10).values()
    blocks = {port + offset for port in own for offset in range(0, 2000, 100)}
    assert defaults & blocks == set()


def test_postgres_has_the_settings_of_the_embedded_stack() -> None:
    own = {"listen_addresses", "unix_socket_directories"}
    fixed = dict(re.findall(r"^ +- -c(\w+)=(\S+)$", _service("postgres"), re.MULTILINE))
    changeable = dict(re.findall(r"--set=(\w+)=(\S+)", _service("postgres")))
    assert fixed == {n: value for n, value in postgres._SETTINGS.items() if n not in own}
    assert changeable == dict(re.findall(r"^(\w+) = (\S+)$", postgres._CHANGEABLE, re.MULTILINE))


def test_valkey_has_the_settings_of_the_embedded_stack(tmp_path: Path) -> None:
    arguments = [str(each) for each in valkey_part(StateFolder(tmp_path), 1).command().args[1:]]
    embedded = dict(zip(arguments[::2], arguments[1::2], strict=True))
    line = re.search(r"command: \[valkey-server, (.*)\]", _service("valkey"))
    assert line
    words = [word.strip('"') for word in line[1].split(", ")]
    here = dict(zip(words[::2], words[1::2], strict=True))
    assert here == {n: v for n, v in embedded.items() if n not in ("--port", "--bind", "--dir")}


def test_kafka_has_the_settings_of_the_embedded_stack() -> None:
    own = re.compile("listener|node.id|process.roles|quorum|log.dirs")
    embedded = {n: v for n, v in _properties(kafka._SETTINGS).items() if not own.search(n)}
    here = _values(_service("kafka"))
    assert len(embedded) > 15
    assert {n: here.get(f"KAFKA_{n.upper().replace('.', '_')}") for n in embedded} == embedded


def test_connect_has_the_settings_of_the_embedded_stack() -> None:
    own = {"bootstrap.servers", "listeners", "plugin.path", "key.converter", "value.converter"}
    embedded = {n: v for n, v in _properties(connect._SETTINGS).items() if n not in own}
    here = _values(_service("connect"))

    def found(name: str) -> str | None:
        variable = name.upper().replace(".", "_")
        return here.get(f"CONNECT_{variable}") or here.get(variable)

    assert len(embedded) > 10
    assert {name: found(name) for name in embedded} == embedded


def test_the_registry_has_the_settings_of_the_embedded_stack(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.create()
    arguments = registry_part(folder, tmp_path, 1, 2, 5432).command().args
    told = dict(re.findall(r"-D([\w.-]+)=(\S*)", " ".join(map(str, arguments))))
    kept = {
        name: value.replace("127.0.0.1", "postgres")
        for name, value in told.items()
        if re.match("apicurio|quarkus.datasource", name)
    }
    variables = _values(_service("registry"))
    here = {name: value for name, value in variables.items() if name.endswith("BORROW")}
    assert here == {"QUARKUS_DATASOURCE_POSTGRESQL_JDBC_VALIDATE_ON_BORROW": "true"}
    del kept["quarkus.datasource.postgresql.jdbc.validate-on-borrow"]
    assert len(kept) > 5
    assert {n: variables.get(re.sub("[.-]", "_", n).upper()) for n in kept} == kept


def _has_compose() -> bool:
    try:
        return not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    except OSError:
        return False


@pytest.mark.skipif(not _has_compose(), reason="no docker compose here")
def test_without_secrets_compose_says_how_to_make_them(tmp_path: Path) -> None:
    file = str(COMPOSE / "compose.yaml")
    command = ["docker", "compose", "--env-file", "/dev/null", "--file", file, "up"]
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "run compose/make-secrets first" in done.stderr


def test_an_image_copies_only_what_its_build_is_given() -> None:
    """.dockerignore leaves everything out, and lets in what it names."""
    let_in = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    lines = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (COMPOSE / "Dockerfile").read_text("utf-8"), re.MULTILINE
    )
    copied = {source for line in lines for source in line.split() if not source.startswith("-")}
    assert copied == set(let_in)


def test_the_converter_is_fetched_with_what_its_stage_copies(tmp_path: Path) -> None:
    """The Connect image's build has a few of the project's folders, and two packages."""
    _, _, stage = (COMPOSE / "Dockerfile").read_text("utf-8").partition(" AS converter\n")
    copied = re.findall(r"^COPY (\S+) /project/", stage.partition("\nFROM ")[0], re.MULTILINE)
    for each in copied:
        source, target = ROOT / each, tmp_path / Path(each).name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    missing = {"redis", "psycopg", "pydantic", "confluent_kafka", "click", "rich", "flask"}
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({missing}, None)); import fetch_converter"
    )
    # -S and the path: neither this checkout nor what it installed, but for the two packages.
    packages = {Path(jgo.__file__).parents[1], Path(psutil.__file__).parents[1]}
    path = ":".join(map(str, (tmp_path, *packages)))
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
