"""Who types a command, for audit trails and sessions."""

import getpass
import os


def login_name() -> str:
    """The user who is logged in; never `user N`, which is a user of the shop in audit trails."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return f"uid {os.getuid()}"
