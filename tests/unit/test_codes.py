"""Codes that a person types: unguessable, and a slip of the finger is found."""

import secrets
import tracemalloc
from itertools import product

import pytest

from api.pool_lines import HeaderLine, LineProblem, read_lines
from coupons.codes import ALPHABET, has_made_form, is_mistyped, key_of, make_code

SAMPLES = [make_code() for _ in range(40)]


def test_a_made_code_has_three_groups_of_the_alphabet_and_checks() -> None:
    for code in SAMPLES:
        groups = code.split("-")
        assert [len(group) for group in groups] == [5, 5, 5]
        assert set("".join(groups)) <= set(ALPHABET)
        assert has_made_form(key_of(code))
        assert not is_mistyped(key_of(code))
    assert not set(ALPHABET) & set("ILOU")
    assert len(set(ALPHABET)) == len(ALPHABET) == 32


def test_every_random_bit_of_a_made_code_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """70 bits are asked for, and each of them changes the code."""
    asked: list[int] = []

    def bits(number: int) -> int:
        asked.append(number)
        return 1 << len(asked) - 1

    monkeypatch.setattr(secrets, "randbits", bits)
    assert len({make_code() for _ in range(70)}) == 70
    assert set(asked) == {70}


def test_each_single_wrong_character_is_found() -> None:
    for code in SAMPLES:
        key = key_of(code)
        for at, other in product(range(len(key)), ALPHABET):
            typed = key[:at] + other + key[at + 1 :]
            assert is_mistyped(typed) == (other != key[at]), (key, typed)


def test_each_swap_of_neighbours_is_found() -> None:
    for code in SAMPLES:
        key = key_of(code)
        for at in range(len(key) - 1):
            typed = key[:at] + key[at + 1] + key[at] + key[at + 2 :]
            assert is_mistyped(typed) == (key[at] != key[at + 1]), (key, typed)


def test_a_code_is_known_however_it_is_typed() -> None:
    code = "10ABC-DEFGH-01JKM"
    for typed in ("lOabc defgh oijkm", "10ABCDEFGH01JKM", " iOaBc-dEfGh-0LjkM "):
        assert key_of(typed) == key_of(code)


def lines(
    text: bytes, is_csv: bool = False, cut: int = 1, has_header: bool | None = None
) -> list[object]:
    pieces = [text[at : at + cut] for at in range(0, len(text), cut)]
    return [found for _, found in read_lines(pieces, is_csv, has_header)]


@pytest.mark.parametrize("cut", [1, 3, 1_000])
def test_lines_are_the_same_wherever_the_file_is_cut(cut: int) -> None:
    text = b"\xef\xbb\xbfA-1\r\nB 2\n\n" + b"x" * 5_000 + b"\nC_3." + b"\n" + b"y" * 64
    assert lines(text, cut=cut) == [
        "A-1",
        "B 2",
        LineProblem.EMPTY,
        LineProblem.TOO_LONG,
        "C_3.",
        "y" * 64,
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"A\x00B", LineProblem.WRONG_CHARACTER),
        (b"A\tB", LineProblem.WRONG_CHARACTER),
        ("GRÜN".encode(), LineProblem.WRONG_CHARACTER),
        (b"\xff\xfe", LineProblem.WRONG_CHARACTER),
        (b"A,B", LineProblem.WRONG_CHARACTER),
        (b"-_.", LineProblem.WRONG_CHARACTER),
        (b"z" * 65, LineProblem.TOO_LONG),
        (b"   ", LineProblem.EMPTY),
        (b"7K2QF-0XWMB-9TRCD", LineProblem.LOOKS_MADE),
        (b"ABCDEFGHJKMNPQR", LineProblem.LOOKS_MADE),
    ],
)
def test_a_line_that_is_no_code_is_named(line: bytes, problem: LineProblem) -> None:
    assert lines(b"A\n" + line + b"\nB\n") == ["A", problem, "B"]


def test_a_column_of_csv_may_have_a_header_and_quotes() -> None:
    file = b'"Code"\r\n"A-1"\r\nB\r\n'
    assert lines(file, is_csv=True) == [HeaderLine("Code"), "A-1", "B"]
    assert [number for number, _ in read_lines([b"code\nA\n"], True)] == [1, 2]
    assert lines(b"code\nA\n") == ["code", "A"]


def test_who_uploads_says_whether_there_is_a_header() -> None:
    """Then the first line is one whatever it says, or none."""
    file = b"Gutschein\xfe\nA\n"
    assert lines(file, is_csv=True, has_header=True) == [HeaderLine("Gutschein\ufffd"), "A"]
    assert lines(b"code\nA\n", is_csv=True, has_header=False) == ["code", "A"]
    assert lines(b"voucher\nA\n", is_csv=True) == ["voucher", "A"]
    [(_, header)] = read_lines([b"x" * 5_000 + b"\n"], True, True)
    assert header == HeaderLine("x" * 256)


def test_a_line_without_end_takes_no_memory() -> None:
    """100 MB without a line end are read in less than 2 MB."""
    piece = b"x" * 100_000
    tracemalloc.start()
    try:
        found = list(read_lines((piece for _ in range(1_000)), False))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [(1, LineProblem.TOO_LONG)]
    assert peak < 2_000_000
