"""How many files and connections a process may hold open."""

import resource
from contextlib import suppress

ENOUGH = 65_536
"""Descriptors; more than any process of this project uses."""


def raise_open_files_limit() -> int:
    """Raise this process' soft limit to its hard limit, at most to ENOUGH; return the limit.

    Shells start with 1,024, and every connection counts. A process may raise its soft limit
    itself; only the administrator may raise the hard one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):  # some systems allow less than their hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            return most
    return ENOUGH if soft == resource.RLIM_INFINITY else soft
