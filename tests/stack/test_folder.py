"""The state folder when several threads use it at the same time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from coupons.receipts import load_signing_keys
from stack.endpoints import receipt_key_file
from stack.folder import StateFolder

THREADS = 16
ROUNDS = 25


def test_all_who_ask_for_a_secret_at_once_get_the_same_one(folder: StateFolder) -> None:
    start = Barrier(THREADS)

    def ask(name: str) -> str:
        start.wait()
        return folder.secret(name)

    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(ROUNDS):
            found = list(pool.map(ask, [f"password-{number}"] * THREADS))
            assert len(set(found)) == 1
            assert len(found[0]) >= 40
    left = {each.name for each in (folder.path / "secrets").iterdir()}
    assert left == {f"password-{number}" for number in range(ROUNDS)}


def test_a_value_that_several_remember_at_once_is_whole(folder: StateFolder) -> None:
    start = Barrier(THREADS)

    def remember(number: int) -> None:
        start.wait()
        folder.remember("value", [number] * 1_000)

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(ROUNDS):
            list(pool.map(remember, range(THREADS)))
            value = folder.recall("value")
            assert value == [value[0]] * 1_000


def test_files_are_for_their_owner_only(folder: StateFolder) -> None:
    folder.remember("value", 1)
    for path in (folder.secret_file("password"), folder.path / "value.json"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_of_another_kind_is_made_once(folder: StateFolder) -> None:
    """The key of receipts: it stays when the stack is started again."""
    file = receipt_key_file(folder)
    kid = load_signing_keys(file).kid
    assert load_signing_keys(receipt_key_file(folder)).kid == kid
    assert file.stat().st_mode & 0o777 == 0o600
