"""A receipt is what its issuer signed, and nothing else passes for one."""

import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from coupons.key_sets import PublicKey, parse_key_set
from coupons.receipts import (
    LONGEST_RECEIPT,
    TYPE,
    InvalidReceipt,
    SigningKeys,
    load_signing_keys,
    new_private_key,
    read_receipt,
)

ISSUER = "coupon-cdc"


@pytest.fixture
def keys(tmp_path: Path) -> SigningKeys:
    return made(tmp_path / "receipt.pem")


def made(file: Path, *more: str) -> SigningKeys:
    file.write_text("".join([new_private_key(), *more]))
    return load_signing_keys(file)


def published(keys: SigningKeys) -> dict[str, PublicKey]:
    return parse_key_set(json.dumps(keys.key_set()).encode())


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "sub": "00000000-0000-800e-8000-00000000002a",
        "coupon_id": "7",
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "iat": now,
        "exp": now + 60,
        **changed,
    }


def text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def refused(receipt: str, keys: SigningKeys, why: str) -> None:
    with pytest.raises(InvalidReceipt, match=why):
        read_receipt(receipt, published(keys), ISSUER)


def test_what_was_signed_is_read(keys: SigningKeys) -> None:
    """All claims, as they were."""
    signed = claims(discount={"percent": 10}, coupon_name="쿠폰")
    assert read_receipt(keys.sign(signed), published(keys), ISSUER) == signed


def test_a_changed_signature_is_refused(keys: SigningKeys) -> None:
    """One bit suffices."""
    head, _, signature = keys.sign(claims()).rpartition(".")
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    refused(f"{head}.{flipped}", keys, "signature is wrong")
    refused(f"{head}.", keys, "signature is wrong")


def test_changed_claims_are_refused(keys: SigningKeys) -> None:
    """Under the signature of others."""
    head, _, signature = keys.sign(claims()).split(".")
    better = text(json.dumps(claims(discount={"percent": 100})).encode())
    refused(f"{head}.{better}.{signature}", keys, "signature is wrong")


def test_a_key_of_somebody_else_is_refused(keys: SigningKeys, tmp_path: Path) -> None:
    """Also when the receipt names a key that is published."""
    stranger = made(tmp_path / "other.pem")
    refused(stranger.sign(claims()), keys, "none of the keys signed it")
    forged = jwt.encode(claims(), stranger.signs, "EdDSA", {"typ": TYPE, "kid": keys.kid})
    refused(forged, keys, "signature is wrong")


@pytest.mark.parametrize("typ", [None, "JWT", "coupon-receipt", 1])
def test_another_type_is_refused(keys: SigningKeys, typ: Any) -> None:
    """Whatever else the key may sign one day is no receipt."""
    headers = {"typ": typ, "kid": keys.kid}
    signed = jwt.encode(claims(), keys.signs, "EdDSA", headers)
    refused(signed, keys, "not of the type|cannot be read")


def test_algorithm_none_is_refused(keys: SigningKeys) -> None:
    """With and without the id of a key."""
    for kid in ({"kid": keys.kid}, {}):
        header = text(json.dumps({"alg": "none", "typ": TYPE, **kid}).encode())
        body = text(json.dumps(claims()).encode())
        refused(f"{header}.{body}.", keys, "cannot be read|none of the keys")


def test_a_public_key_is_no_shared_secret(keys: SigningKeys) -> None:
    """HS256 with what everybody can fetch (algorithm confusion)."""
    secret = keys.public[0].public_bytes(Encoding.Raw, PublicFormat.Raw)
    forged = jwt.encode(claims(), secret, "HS256", {"typ": TYPE, "kid": keys.kid})
    refused(forged, keys, "cannot be read")


def test_a_receipt_ends(keys: SigningKeys) -> None:
    """And is not valid before it was made."""
    now = int(time.time())
    refused(keys.sign(claims(iat=now - 400, exp=now - 100)), keys, "time is over")
    refused(keys.sign(claims(iat=now + 100, exp=now + 200)), keys, "cannot be read")


@pytest.mark.parametrize("left_out", ["sub", "exp", "iat", "coupon_id", "issued_at"])
def test_a_receipt_without_a_claim_is_refused(keys: SigningKeys, left_out: str) -> None:
    """Most of all one without an end."""
    less = {name: value for name, value in claims().items() if name != left_out}
    refused(keys.sign(less), keys, left_out)


def test_another_issuer_is_refused(keys: SigningKeys) -> None:
    """Two systems may share a key by mistake, and not their receipts."""
    refused(keys.sign(claims(iss="other")), keys, "issuer")


@pytest.mark.parametrize("receipt", ["", "x", "a.b.c", "....", "\x00", "é.é.é", '{"a": 1}'])
def test_what_is_no_receipt_is_refused(keys: SigningKeys, receipt: str) -> None:
    """With a sentence, whatever it is."""
    refused(receipt, keys, "is no receipt")
    refused("x" * (LONGEST_RECEIPT + 1), keys, "longer")


def test_a_retired_key_is_published_by_its_public_half(tmp_path: Path) -> None:
    """Nobody has to keep its private half."""
    old = made(tmp_path / "old.pem")
    pem = old.public[0].public_bytes(*_public_pem()).decode()
    new = made(tmp_path / "new.pem", pem)
    assert new.kid != old.kid
    assert set(published(new)) == {old.kid, new.kid}
    assert read_receipt(old.sign(claims()), published(new), ISSUER)["coupon_id"] == "7"


def _public_pem() -> tuple[Any, Any]:
    return Encoding.PEM, PublicFormat.SubjectPublicKeyInfo


def test_a_public_key_cannot_sign(keys: SigningKeys, tmp_path: Path) -> None:
    """A file that begins with one is refused when it is read."""
    file = tmp_path / "public.pem"
    file.write_bytes(keys.public[0].public_bytes(*_public_pem()))
    with pytest.raises(ValueError, match="does not begin with a private key"):
        load_signing_keys(file)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Receipts are of one algorithm."""
    file = tmp_path / "ec.pem"
    key = generate_private_key(SECP256R1())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ValueError, match="not an Ed25519 key"):
        load_signing_keys(file)


def test_the_id_of_a_key_is_that_of_the_rfc(tmp_path: Path) -> None:
    """RFC 8037, appendix A: key and thumbprint."""
    file = tmp_path / "rfc.pem"
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    found = load_signing_keys(file)
    assert found.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert found.key_set()["keys"][0]["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
