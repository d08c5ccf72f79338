"""`coupon sql` runs statements as the role that was chosen, and as no other by default."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.ledger.roles import ROLES
from tests.support.databases import PASSWORDS, Database


@pytest.fixture
def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    for role in ROLES:
        (tmp_path / f"coupon_{role}").write_text(PASSWORDS[f"coupon_{role}"])
    return {
        "COUPON_DATABASE_URL": database.url("coupon_ops"),
        "COUPON_PASSWORDS_DIR": str(tmp_path),
        "COUPON_STATE_DIR": "",
    }


def sql(environment: dict[str, str], *words: str) -> Result:
    return CliRunner(env=environment).invoke(main, ["sql", *words])


def test_rows_are_printed_with_their_columns(environment: dict[str, str]) -> None:
    done = sql(environment, "SELECT 1 AS a, NULL AS b", "SELECT current_user")
    assert done.output == "a\tb\n1\t\ncurrent_user\ncoupon_ops\n"
    told = json.loads(sql(environment, "SELECT 1 AS a", "--json").output)
    assert told == [{"status": "SELECT 1", "columns": ["a"], "rows": [[1]]}]


def test_nothing_is_changed_unless_a_role_that_may_is_named(environment: dict[str, str]) -> None:
    change = "UPDATE coupon SET name = 'x'"
    refused = sql(environment, change)
    assert refused.exit_code == 1
    assert "permission denied" in refused.output
    done = sql(environment, "--as", "owner", change)
    assert (done.exit_code, done.output) == (0, "UPDATE 0\n")


def test_a_statement_that_fails_is_named_and_those_after_it_are_not_run(
    environment: dict[str, str],
) -> None:
    done = sql(environment, "SELECT 1 AS one", "SELECT nothing", "SELECT 2 AS two")
    assert done.exit_code == 1
    assert "In: SELECT nothing" in done.output
    assert "two" not in done.output


def test_the_superuser_of_a_system_elsewhere_has_to_be_given(
    environment: dict[str, str], database: Database
) -> None:
    done = sql(environment, "--as", "superuser", "SELECT 1")
    assert done.exit_code == 2
    assert "COUPON_SUPERUSER_URL is not set" in done.output
    assert "name the state folder: --state FOLDER" in " ".join(done.output.split())
    known = {**environment, "COUPON_SUPERUSER_URL": database.superuser_url}
    assert "postgres" in sql(known, "--as", "superuser", "SELECT current_user").output


@pytest.mark.parametrize("role", ["ops", "owner", "cdc"])
def test_without_passwords_no_other_role_than_the_one_asked_for_is_taken(
    environment: dict[str, str], database: Database, role: str
) -> None:
    alone = {**environment, "COUPON_PASSWORDS_DIR": ""}
    api = {**alone, "COUPON_DATABASE_URL": database.url("coupon_api")}
    words = () if role == "ops" else ("--as", role)
    refused = sql(api, *words, "SELECT current_user")
    assert refused.exit_code == 2
    said = " ".join(refused.output.split())
    assert f"is of coupon_api, not of coupon_{role}" in said
    assert "--state FOLDER" in said
    own = {**alone, "COUPON_DATABASE_URL": database.url(f"coupon_{role}")}
    assert sql(own, *words, "SELECT current_user").output == f"current_user\ncoupon_{role}\n"
