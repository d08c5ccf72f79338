"""Assertions of the machine are explained as those of a test."""

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{name}"
        for name in ("changing", "claiming", "coding", "expected", "machine", "repairing")
    ),
    f"{__name__}.start",
)
