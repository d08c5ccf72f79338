"""The lines of a file of users: one id a line, as text or as CSV with one column."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from coupons.ids import FIRST_ERASED_ID

LONGEST_LINE = 64
"""In bytes. Of a longer one only so much is kept that it is seen to be."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ONLY_IDS = re.compile(rb"(?:[1-9][0-9]{0,17}\r?\n)+")
"""Ids that are not too large, whatever their digits."""
_ID = re.compile(rb"[1-9][0-9]{0,18}")
_HEADERS = (b"user_id", b"user", b"id")


class LineProblem(StrEnum):
    """Why a line is no user."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    NOT_AN_ID = "not_an_id"
    """An id is written in digits, without a sign or leading zeros."""
    TOO_LARGE = "too_large"
    """From 2^63 - 2^40 on an id is nobody's."""


@dataclass
class LinesRead:
    """Users of some lines, and number and reason of each line that is none.

    lines: how many there were. unfinished: what is there of the next one.
    """

    user_ids: list[int] = field(default_factory=list)
    refused: list[tuple[int, LineProblem]] = field(default_factory=list)
    lines: int = 0
    unfinished: bytes = b""


def read_lines(
    block: bytes, lines_before: int = 0, is_csv: bool = False, has_header: bool | None = None
) -> LinesRead:
    """Read the lines that end within a block.

    block: begins at the start of a line. is_csv: an id may be in double quotes, and the first line
    of the file may be a header. has_header: whether it is one; None: it is one when it says
    `user_id`, `user` or `id`.
    """
    end = block.rfind(b"\n") + 1
    complete, rest = block[:end], block[end:][: LONGEST_LINE + 1]
    may_begin = is_csv and lines_before == 0
    if not (may_begin and has_header) and _ONLY_IDS.fullmatch(complete):
        user_ids = [int(line) for line in complete.split()]
        return LinesRead(user_ids, lines=len(user_ids), unfinished=rest)
    read = LinesRead(unfinished=rest)
    for line in complete.split(b"\n")[:-1]:
        read.lines += 1
        number = lines_before + read.lines
        content = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        content = content.strip(b" \t\r")
        if is_csv and len(content) > 1 and content[:1] == content[-1:] == b'"':
            content = content[1:-1].strip(b" ")
        if may_begin and number == 1:
            is_header = content.lower() in _HEADERS if has_header is None else has_header
            if is_header:
                continue
        found = LineProblem.TOO_LONG if len(line) > LONGEST_LINE else _user_of(content)
        if isinstance(found, LineProblem):
            read.refused.append((number, found))
        else:
            read.user_ids.append(found)
    return read


def _user_of(content: bytes) -> int | LineProblem:
    if not content:
        return LineProblem.EMPTY
    if not _ID.fullmatch(content):
        is_large = content.isdigit() and content[:1] != b"0"
        return LineProblem.TOO_LARGE if is_large else LineProblem.NOT_AN_ID
    user_id = int(content)
    return user_id if user_id < FIRST_ERASED_ID else LineProblem.TOO_LARGE
