"""Who types a command is never taken for a user of the shop."""

import getpass
import os

import pytest

from cli.operators import login_name


def test_a_number_without_a_name_is_no_user_of_the_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container: erasing user 10001 would take this operator out of the audit trails."""

    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr(os, "getuid", lambda: 10001)
    assert login_name() == "uid 10001"
