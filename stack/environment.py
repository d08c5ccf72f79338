"""The environment of the servers: only what they need of the caller's."""

import os

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR")


def server_environment(**extra: str) -> dict[str, str]:
    """A small, predictable environment with the time zone UTC, plus `extra`."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # More malloc arenas would cost each JVM tens of megabytes.
    return {**kept, "LANG": "C.UTF-8", "TZ": "UTC", "MALLOC_ARENA_MAX": "2", **extra}
