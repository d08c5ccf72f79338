"""The lines of a file of codes: one code a line, as text or as CSV with one column."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from coupons.codes import LONGEST_CODE, has_made_form, key_of

_LONGEST_LINE = 4 * LONGEST_CODE
"""In bytes, with spaces and quotes. Of a longer one only so much is kept that it is seen to be."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CODE = re.compile(rb"(?=.*[A-Za-z0-9])[A-Za-z0-9 ._-]+")
_HEADER = b"code"


class LineProblem(StrEnum):
    """Why a line is not a code."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    WRONG_CHARACTER = "wrong_character"
    """Allowed are letters, digits, spaces, and . _ -; at least one letter or digit."""
    LOOKS_MADE = "looks_made"
    """It has the form of codes that are made here, so it could be taken for one of them."""


class HeaderLine(NamedTuple):
    """A first line that names the column, and is no code."""

    text: str


PoolLine = str | LineProblem | HeaderLine


def read_lines(
    pieces: Iterable[bytes], is_csv: bool, has_header: bool | None = None
) -> Iterator[tuple[int, PoolLine]]:
    """The number of each line, from 1, and its code, what is wrong with it, or that it is a header.

    pieces: the file. is_csv: a code may be in double quotes, and the first line may be a header.
    has_header: whether it is one; None: it is one when it says `code`.
    """
    for number, line in enumerate(_split(pieces), 1):
        content = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        content = content.strip(b" \r")
        if is_csv and len(content) > 1 and content[:1] == content[-1:] == b'"':
            content = content[1:-1].strip(b" ")
        is_header = content.lower() == _HEADER if has_header is None else has_header
        if is_csv and number == 1 and is_header:
            yield number, HeaderLine(content[:_LONGEST_LINE].decode("utf-8", "replace"))
        elif len(line) > _LONGEST_LINE:
            yield number, LineProblem.TOO_LONG
        else:
            yield number, _code(content)


def _code(content: bytes) -> str | LineProblem:
    if not content:
        return LineProblem.EMPTY
    if len(content) > LONGEST_CODE:
        return LineProblem.TOO_LONG
    if not _CODE.fullmatch(content):
        return LineProblem.WRONG_CHARACTER
    code = content.decode("ascii")
    return LineProblem.LOOKS_MADE if has_made_form(key_of(code)) else code


def _split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()[: _LONGEST_LINE + 1]
        yield from lines
    if rest:
        yield rest
