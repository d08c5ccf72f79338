"""What a person types after an option is in the one form that is promised, or a usage error."""

from collections.abc import Callable
from datetime import datetime

import click
import pytest

from cli.dead_letter_options import _moment
from cli.options import COUPON_ID, USER_ID, SecondsRange
from coupons.ids import MAX_COUPON_ID, MAX_USER_ID
from coupons.moments import parse_rfc3339


@pytest.mark.parametrize("kind", [COUPON_ID, USER_ID])
@pytest.mark.parametrize(
    "text", ["0", "-1", "07", "1_000", " 7", "+7", "٧", "7.0", "x", "9" * 19 + "9"]
)
def test_an_id_is_in_plain_digits(kind: click.ParamType[int], text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


@pytest.mark.parametrize("text", ["nan", "inf"])
def test_seconds_are_a_finite_number(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a number of seconds"):
        SecondsRange(min=0).convert(text, None, None)


@pytest.mark.parametrize(("kind", "most"), [(COUPON_ID, MAX_COUPON_ID), (USER_ID, MAX_USER_ID)])
def test_every_id_that_there_can_be_is_taken(kind: click.ParamType[int], most: int) -> None:
    assert [kind.convert(str(each), None, None) for each in (1, most)] == [1, most]
    with pytest.raises(click.BadParameter):
        kind.convert(str(most + 1), None, None)


def _option(text: str) -> datetime | None:
    """As the option `--since` reads it."""
    option = click.Option(["--since"])
    return _moment(click.Context(click.Command("list")), option, text)


@pytest.mark.parametrize("read", [parse_rfc3339, _option])
@pytest.mark.parametrize(
    "text", ["20261231", "2026-12-31", "2026-12-31 09:00:00Z", "2026-W53-4", "2026-12-31T09:00:00"]
)
def test_a_time_is_rfc_3339(read: Callable[[str], object], text: str) -> None:
    with pytest.raises((ValueError, click.BadParameter)):
        read(text)
