"""What compose gives the monitor's page and tracing; needs compose, and no engine."""

import subprocess
from pathlib import Path

import psycopg
import pytest

from coupons.endpoints import LINK_KEY, PAGE_URL
from coupons.sign_in_links import SHORTEST_KEY
from tests.compose.containers import COMPOSE
from tests.monitoring.test_provisioning import FILES, services
from tests.support.databases import PASSWORDS, Database

SECRETS = "/run/secrets/"
TRACING = {"COUPON_TRACE_ENDPOINT": "http://collector:4318", "COUPON_TRACE_SAMPLE_RATIO": "0.01"}
TRACED = ("api", "consumer", "reconciler")


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """What make-secrets makes."""
    folder = tmp_path / "secrets"
    subprocess.run([COMPOSE / "make-secrets", folder], check=True)
    return folder


@pytest.mark.parametrize("kind", FILES)
def test_the_page_is_on_the_loopback_address_where_a_link_of_ops_leads(
    kind: str, secrets: Path
) -> None:
    found = services(FILES[kind][0], secrets, COUPON_MONITOR_PORT="9555")
    [port] = found["monitor"]["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "9555", 9400)
    assert found["ops"]["environment"][PAGE_URL] == "http://127.0.0.1:9555"


@pytest.mark.parametrize("kind", FILES)
def test_monitor_and_ops_have_the_same_key_of_links(kind: str, secrets: Path) -> None:
    found = services(FILES[kind][0], secrets)
    key = found["ops"]["environment"][LINK_KEY]
    assert found["monitor"]["environment"][LINK_KEY] == key
    for service in ("monitor", "ops"):
        assert key.removeprefix(SECRETS) in {each["source"] for each in found[service]["secrets"]}
    assert len((secrets / key.removeprefix(SECRETS)).read_text()) >= SHORTEST_KEY


@pytest.mark.parametrize("kind", FILES)
def test_every_file_that_the_monitor_reads_is_a_secret_that_was_made(
    kind: str, secrets: Path
) -> None:
    monitor = services(FILES[kind][0], secrets)["monitor"]
    given = {each["source"] for each in monitor["secrets"]}
    named = [*monitor["environment"].values(), *monitor["command"]]
    read = {each.removeprefix(SECRETS) for each in named if each.startswith(SECRETS)}
    assert read == given
    assert [name for name in given if not (secrets / name).read_text()] == []


def test_the_page_asks_as_the_operator_and_the_monitor_as_itself(
    secrets: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service file has the operator's password; PGPASSWORD is that of the monitor's role."""
    (secrets / "coupon_ops").write_text(PASSWORDS["coupon_ops"])
    subprocess.run([COMPOSE / "make-secrets", secrets], check=True)
    monitor = services(FILES["one server"][0], secrets)["monitor"]["environment"]
    monkeypatch.setenv("PGSERVICEFILE", str(secrets / Path(monitor["PGSERVICEFILE"]).name))
    monkeypatch.setenv("PGPASSWORD", "of another role")
    url = monitor["COUPON_MONITOR_OPERATOR_DATABASE_URL"]
    server = database.superuser_url.rpartition("@")[2].partition("/")[0]
    here = url.replace("postgres:5432/coupon", f"{server}/{database.name}")
    with psycopg.connect(here) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("coupon_ops",)


@pytest.mark.parametrize("kind", FILES)
def test_tracing_is_off_unless_both_variables_are_set_and_then_on_everywhere(
    kind: str, secrets: Path
) -> None:
    off = services(FILES[kind][0], secrets)
    on = services(FILES[kind][0], secrets, **TRACING, COUPON_EXTRAS="[trace]")
    traced = [name for name in on if name.removesuffix("-2").removesuffix("-3") in TRACED]
    assert set(TRACED) <= set(traced)
    for name in traced:
        assert {off[name]["environment"][variable] for variable in TRACING} == {None}
        assert TRACING.items() <= on[name]["environment"].items()
    assert on["migrate"]["build"]["args"]["COUPON_EXTRAS"] == "[trace]"
