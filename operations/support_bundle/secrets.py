"""The secrets of a system, as far as the settings and files of this machine name them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

_SECRET_NAME = re.compile(
    r"passw(?:or)?d|passphrase|pwd|secret|token|credential|api[_.-]?key|private[_.-]?key"
    r"|access[_.-]?key|_KEY$",
    re.IGNORECASE,
)
"""A setting of such a name holds a secret, unless it names a file."""

_NAMES_FILE = re.compile(r"_(?:FILE|DIR)$")
_OF_THE_SHELL = ("PWD", "OLDPWD")
"""The folder that a shell is in, and the one before."""
_USER_INFO = re.compile(r"://[^/@\s:]*:([^\s/]*)@")
_IN_QUERY = re.compile(r"(?:^|[?&\s])(?:ssl)?password=([^&\s]+)", re.IGNORECASE)
_KEY_IN_QUERY = re.compile(r"[?&](?:sslkey|ssl_keyfile)=([^&\s]+)")
_MOST_BYTES = 65_536
_SHORTEST = 4
_SHORTEST_LINE = 16
"""Of a key in PEM; a line may also be shown by itself."""


def is_secret_setting(name: str) -> bool:
    """Whether the value of this environment variable is never shown."""
    names = bool(_SECRET_NAME.search(name))
    return names and not _NAMES_FILE.search(name) and name not in _OF_THE_SHELL


def known_secrets(environments: Iterable[Mapping[str, str]], folder: Path | None) -> set[str]:
    """Every secret that these environments hold or name, and that the files of a folder hold.

    A file that cannot be read is skipped: what the user may not read, no text of theirs can hold
    because of this command. What is shorter than four characters is not counted as a secret.
    """
    found: set[str] = set()
    for environment in environments:
        for name, value in environment.items():
            found.update(_of_setting(name, value))
    if folder is not None:
        found.update(_in_folder(folder))
    return {each for each in found if len(each) >= _SHORTEST}


def _of_setting(name: str, value: str) -> Iterator[str]:
    if _NAMES_FILE.search(name):
        if name.startswith("COUPON_") or _SECRET_NAME.search(name):
            path = Path(value)
            yield from _in_folder(path) if path.is_dir() and "PASS" in name else _in_file(path)
        return
    if is_secret_setting(name):
        yield value
    yield from _in_urls(value)


def _in_urls(text: str) -> Iterator[str]:
    for password in (*_USER_INFO.findall(text), *_IN_QUERY.findall(text)):
        yield password
        yield unquote(password)
    for key_file in _KEY_IN_QUERY.findall(text):
        yield from _in_file(Path(unquote(key_file)))


def _in_folder(folder: Path) -> Iterator[str]:
    try:
        files = [each for each in folder.iterdir() if each.is_file()]
    except OSError:
        return
    for file in files:
        yield from _in_file(file)


def _in_file(path: Path) -> Iterator[str]:
    try:
        if not path.is_file():
            return
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return
    yield from _in_urls(text)
    if "\n" not in text:
        yield text
        return
    lines = (line.strip() for line in text.splitlines())
    yield from (line for line in lines if len(line) >= _SHORTEST_LINE and "-----" not in line)
