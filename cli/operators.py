"""Who types a command, for audit trails and sessions."""

import getpass
import os


def login_name() -> str:
    """The user who is logged in."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return f"user {os.getuid()}"
