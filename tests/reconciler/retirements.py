"""`coupon retire`, typed, and what it leaves."""

from collections.abc import Callable

from click.testing import Result

from tests.support.retiring import TABLES

Type = Callable[..., Result]
"""Types a command of `coupon`."""
IS_RETIRED = dict.fromkeys(TABLES, 0)
"""The rows that each table has of a retired coupon."""
