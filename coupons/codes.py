"""Codes that a person types: the form of those that are made, and how any of them is compared.

A made code has 14 random characters and a check character. The alphabet is Crockford's base32: the
digits and the letters without I, L, O and U. The check is a polynomial over the field of 32
elements: it finds each single wrong character, and each swap of two neighbours.
"""

import re
import secrets
from enum import StrEnum

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_CHARACTERS = 14
LONGEST_CODE = 64
"""Of a code in a pool; the table's constraint says the same."""

_GROUP = 5
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_MADE = re.compile(f"[{ALPHABET}]{{{RANDOM_CHARACTERS + 1}}}")
_FIELD = 0b100101
"""x^5 + x^2 + 1, by which the field of 32 elements is made; x is a generator of it."""
_AS_ONE_TYPES = str.maketrans("OIL", "011", " -")


class CodeKind(StrEnum):
    """How the codes of a coupon come about."""

    NONE = "none"
    MADE = "made"
    POOL = "pool"


def make_code() -> str:
    """A new code with 70 random bits of the system, as it is shown."""
    number = secrets.randbits(5 * RANDOM_CHARACTERS)
    values = [number >> 5 * position & 31 for position in range(RANDOM_CHARACTERS)]
    values.append(_times_x(_sum(values)))
    text = "".join(ALPHABET[value] for value in values)
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def key_of(typed: str) -> str:
    """What a code is compared by. The SQL function code_key computes the same.

    Case, spaces and hyphens do not matter, nor O instead of 0, I or L instead of 1.
    """
    return typed.upper().translate(_AS_ONE_TYPES)


def has_made_form(key: str) -> bool:
    """Whether only a code that was made can have this key."""
    return _MADE.fullmatch(key) is not None


def is_mistyped(key: str) -> bool:
    """Whether this would be a code that was made, and its check character is wrong."""
    return has_made_form(key) and _sum([_VALUES[character] for character in key]) != 0


def _sum(values: list[int]) -> int:
    """The polynomial with these coefficients at x: each is multiplied by another power of x."""
    total = 0
    for value in values:
        total = _times_x(total) ^ value
    return total


def _times_x(value: int) -> int:
    shifted = value << 1
    return shifted ^ _FIELD if shifted & 32 else shifted
