"""The limit to open files and connections of a process."""

import resource
from contextlib import suppress

ENOUGH = 65_536
"""Descriptors; more than any process of this project uses."""


def raise_open_files_limit() -> int:
    """Raise the soft limit of this process to its hard limit, at most to ENOUGH; return it.

    Shells start with 1,024, and every connection counts. A process may raise its own soft limit;
    only an administrator may raise the hard limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):  # some systems allow less than their hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            return most
    return ENOUGH if soft == resource.RLIM_INFINITY else soft
