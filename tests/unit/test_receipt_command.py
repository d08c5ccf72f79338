"""`coupon receipt` checks a receipt offline, by exit codes that a till can use."""

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.receipts import SigningKeys, load_signing_keys
from stack.ports import HOST, free_ports


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["receipt", *arguments], input=typed)


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    said = {"iss": "coupon-cdc", "sub": "x", "coupon_id": "7", "issued_at": "2026-01-01T00:00:00Z"}
    return {**said, "coupon_name": "A tenth off", "iat": now, "exp": now + 60, **changed}


@pytest.fixture
def keys(tmp_path: Path) -> SigningKeys:
    """Keys that `coupon receipt key` made; jwks.json beside them is what the API publishes."""
    file = tmp_path / "receipt.pem"
    assert run("key", str(file)).exit_code == 0
    keys = load_signing_keys(file)
    (tmp_path / "jwks.json").write_text(json.dumps(keys.key_set()))
    return keys


def test_a_key_is_made_for_its_owner_only(keys: SigningKeys, tmp_path: Path) -> None:
    """Never over a file that is there."""
    file = tmp_path / "receipt.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    again = run("key", str(file), "--json")
    assert again.exit_code == 2
    assert file.read_text() == before
    other = json.loads(run("key", str(tmp_path / "other.pem"), "--json").output)
    assert other["kid"] == load_signing_keys(tmp_path / "other.pem").kid != keys.kid


def test_a_receipt_is_checked_from_a_file_or_a_pipe(keys: SigningKeys, tmp_path: Path) -> None:
    """Exit code 0, and what it says."""
    published = str(tmp_path / "jwks.json")
    receipt = keys.sign(claims(discount={"percent": 10}, iat=1_767_225_600, exp=4_102_444_800))
    file = tmp_path / "receipt.jwt"
    file.write_text(f"{receipt}\n")
    said = run("verify", str(file), "--keys", published)
    assert said.exit_code == 0, said.output
    assert "Valid until 2100-01-01T00:00:00Z: signed at 2026-01-01T00:00:00Z" in said.output
    assert '"A tenth off"' in said.output
    for more in ([], ["-"]):
        piped = run("verify", *more, "--keys", published, "--json", typed=receipt)
        assert json.loads(piped.output)["discount"] == {"percent": 10}


def test_a_receipt_that_is_not_valid_ends_with_1(keys: SigningKeys, tmp_path: Path) -> None:
    """Too old, of another issuer, forged, or none at all."""
    published = str(tmp_path / "jwks.json")
    old = claims(exp=int(time.time()) - 60)
    for receipt in (keys.sign(old), keys.sign(claims(iss="x")), "x", "", "\x00é" * 20_000):
        said = run("verify", "--keys", published, typed=receipt)
        assert said.exit_code == 1, said.output
    own_issuer = run("verify", "--keys", published, "--issuer", "x", typed=keys.sign(claims()))
    assert own_issuer.exit_code == 1


@pytest.mark.parametrize("typed", ["", "x", "a.b", "a.b.c", '{"status": 404}', "ey.ey.ey\n" * 2])
def test_a_text_that_is_no_receipt_is_named_in_plain_words(
    keys: SigningKeys, tmp_path: Path, typed: str
) -> None:
    said = run("verify", "--keys", str(tmp_path / "jwks.json"), typed=typed)
    assert said.exit_code == 1
    assert "it is no receipt: one is a single line of three parts" in " ".join(said.output.split())


def test_keys_that_cannot_be_read_end_with_2(keys: SigningKeys, tmp_path: Path) -> None:
    """So does a receipt that is not there."""
    (tmp_path / "none.json").write_text('{"keys": []}')
    (tmp_path / "text.json").write_text("not JSON")
    receipt = keys.sign(claims())
    for name in ("none.json", "text.json", "missing.json", "receipt.pem"):
        said = run("verify", "--keys", str(tmp_path / name), typed=receipt)
        assert said.exit_code == 2, (name, said.output)
        assert name in said.output
    missing = run("verify", str(tmp_path / "no"), "--keys", str(tmp_path / "jwks.json"))
    assert missing.exit_code == 2


def test_a_url_that_does_not_answer_ends_with_3(keys: SigningKeys) -> None:
    """The receipt may be valid: that is not known then."""
    url = f"http://{HOST}:{free_ports(['nobody'])['nobody']}/jwks.json"
    assert run("verify", "--keys", url, typed=keys.sign(claims())).exit_code == 3
