"""Keys of tokens come from their issuers' key sets, and rotate while the process runs."""

import logging
import threading
import time
from pathlib import Path

import pytest

from coupons.errors import KeysUnavailable
from coupons.process import rotating_keys
from coupons.process.rotating_keys import KeySetVerifier
from coupons.waiting import eventually
from tests.support.issuers import Issuer, Key, issuer, key_set
from tests.unit.conftest import NEW, OLD, OTHER, A, B, Verifies, answer, until


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_the_kid_chooses_the_key(verifies: Verifies, server: Issuer, algorithm: str) -> None:
    """Whatever the algorithms of the keys are."""
    key = Key("k", algorithm)
    server.body = key_set(OLD, key)
    verifier = verifies(a=server.url)
    assert verifier.verify(key.token(A, 7)).user_id == 7
    assert verifier.verify(OLD.token(A, 8)).scopes == {"coupon:issue"}
    assert answer(verifier, key.token(A, kid="old")) == "invalid"


@pytest.mark.usefixtures("often")
def test_a_new_key_is_known_without_a_restart(verifies: Verifies, server: Issuer) -> None:
    """Its first token asks for the key set: until it is read the token may be valid."""
    verifier = verifies(a=server.url)
    server.body = key_set(NEW, OLD)
    first = answer(verifier, NEW.token(A))
    assert first in ("unavailable", "invalid")
    until(verifier, NEW.token(A), "user 42")
    assert answer(verifier, OLD.token(A)) == "user 42"


def test_a_key_set_is_read_again_without_any_token(verifies: Verifies, server: Issuer) -> None:
    """A key that was removed is no key any more, also for tokens that were verified before."""
    verifier = verifies(a=server.url, refresh=0.05)
    token = OLD.token(A)
    assert answer(verifier, token) == "user 42"
    server.body = key_set(NEW)
    until(verifier, token, "invalid")
    assert answer(verifier, NEW.token(A)) == "user 42"


def test_a_key_that_was_replaced_under_its_kid_is_gone(verifies: Verifies, server: Issuer) -> None:
    """The id stays, the key does not."""
    verifier = verifies(a=server.url, refresh=0.05)
    token = OLD.token(A)
    assert answer(verifier, token) == "user 42"
    server.body = key_set(Key("old"))
    until(verifier, token, "invalid")


def test_made_up_kids_do_not_make_us_read(
    verifies: Verifies, server: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once in AGAIN_SECONDS at most; they are refused, not kept waiting."""
    monkeypatch.setattr(rotating_keys, "AGAIN_SECONDS", 300.0)
    verifier = verifies(a=server.url)
    assert server.asked == 1
    for number in range(200):
        assert answer(verifier, Key("x").token(A, kid=f"made up {number}")) == "invalid"
    assert server.asked == 1


@pytest.mark.usefixtures("often")
def test_many_made_up_kids_at_once_read_once(verifies: Verifies, server: Issuer) -> None:
    """While the key set is being read, nothing else is asked of its server."""
    verifier = verifies(a=server.url)
    forged = [Key("x").token(A, kid=f"made up {number}") for number in range(50)]
    server.hangs = True
    eventually(lambda: answer(verifier, forged[0]) == "unavailable", 5, "it is being read")
    eventually(lambda: server.asked == 2, 5, "the server is asked")
    assert {answer(verifier, token) for token in forged} == {"unavailable"}
    assert server.asked == 2
    assert answer(verifier, OLD.token(A)) == "user 42"


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("failure", ["garbage", "empty", "status", "down"])
def test_a_reading_that_fails_keeps_the_last_keys(
    verifies: Verifies, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it works again, or they are too old. The log says so once each."""
    caplog.set_level(logging.INFO)
    with issuer(OLD) as server:
        verifier = verifies(a=server.url, refresh=0.02)
        server.body = {"garbage": b"<html>", "empty": b'{"keys": []}'}.get(failure, server.body)
        server.status = 500 if failure == "status" else 200
        if failure == "down":
            server.shutdown()
            server.server_close()
        says = f"cannot be read: {server.url}"
        eventually(lambda: says in caplog.text, 10, "the log says that it fails")
        asked = server.asked
        if failure != "down":
            eventually(lambda: server.asked > asked + 3, 10, "it is tried again")
        assert answer(verifier, OLD.token(A)) == "user 42"
        assert answer(verifier, OLD.token(A, 43)) == "user 43"
        assert answer(verifier, NEW.token(A)) == "unavailable", "it may be a new key"
        verifier.check()
        assert caplog.text.count(says) == 1
        if failure != "down":
            server.body, server.status = key_set(NEW), 200
            until(verifier, NEW.token(A), "user 42")
            assert "can be read again" in caplog.text


@pytest.mark.usefixtures("often")
def test_keys_that_are_too_old_are_dropped(
    verifies: Verifies, server: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Tokens then get no answer, also those that were verified before; until it works again."""
    verifier = verifies(a=server.url, refresh=0.05, max_age=0.5)
    token = OLD.token(A)
    until(verifier, token, "user 42")
    server.status = 500
    until(verifier, token, "unavailable")
    assert "too old" in caplog.text
    with pytest.raises(KeysUnavailable, match=r"https://a\.example cannot be read.*500"):
        verifier.check()
    server.status = 200
    # Half a second later they are too old again, if the machine is too busy to read them.
    eventually(lambda: answer(verifier, token) == "user 42" and is_well(verifier), 10, "it works")


def is_well(verifier: KeySetVerifier) -> bool:
    try:
        verifier.check()
    except KeysUnavailable:
        return False
    return True


@pytest.mark.usefixtures("often")
def test_a_start_without_the_issuer_waits_for_its_keys(verifies: Verifies, server: Issuer) -> None:
    """The process starts, says that it has no keys, and takes them when they can be read."""
    server.status = 503
    verifier = verifies(a=server.url)
    assert answer(verifier, OLD.token(A)) == "unavailable"
    with pytest.raises(KeysUnavailable, match="503"):
        verifier.check()
    server.status = 200
    until(verifier, OLD.token(A), "user 42")


def test_a_hanging_issuer_delays_no_other(
    verifies: Verifies, server: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own tokens get no answer at once, and a start waits for a bounded time only."""
    monkeypatch.setattr(rotating_keys, "FIRST_SECONDS", 0.5)
    with issuer(OTHER) as other:
        other.hangs = True
        began = time.monotonic()
        verifier = verifies(a=server.url, b=other.url)
        assert time.monotonic() - began < 4  # its server is given up after 5 s
        until(verifier, OLD.token(A), "user 42")
        began = time.monotonic()
        assert answer(verifier, OTHER.token(B)) == "unavailable"
        assert time.monotonic() - began < 4
        verifier.check()  # one issuer's users can be served


def test_a_key_set_in_a_file_rotates_too(verifies: Verifies, tmp_path: Path) -> None:
    """Whoever writes the file restarts nothing."""
    file = tmp_path / "jwks.json"
    file.write_bytes(key_set(OLD))
    verifier = verifies(a=str(file), refresh=0.05)
    assert answer(verifier, OLD.token(A)) == "user 42"
    file.write_bytes(key_set(NEW))
    until(verifier, OLD.token(A), "invalid")
    assert answer(verifier, NEW.token(A)) == "user 42"


def threads_of(name: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == f"keys-of-{name}"]


def test_threads_end_when_it_is_closed(verifies: Verifies, server: Issuer) -> None:
    """Whatever they wait for."""
    for _ in range(20):
        verifies(a=server.url).close()
    eventually(lambda: not threads_of(A), 10, "no thread is left")


@pytest.mark.usefixtures("often")
def test_a_thread_that_reads_when_it_is_closed_ends(verifies: Verifies, server: Issuer) -> None:
    """With the answer that it waits for, and not when it would read again."""
    verifier = verifies(b=server.url)
    server.hangs = True
    eventually(lambda: answer(verifier, NEW.token(B)) == "unavailable", 10, "it reads again")
    eventually(lambda: server.asked == 2, 10, "the server is asked")
    verifier.close()
    server.hangs = False
    server.over.set()
    eventually(lambda: not threads_of(B), 10, "the thread has ended")
