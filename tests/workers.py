"""The worker processes of a running API."""

import psutil


def workers_of(api: psutil.Process) -> list[psutil.Process]:
    """Those of its children that serve: not the one of the management address, nor dead ones."""
    return [child for child in api.children() if _serves(child)]


def _serves(process: psutil.Process) -> bool:
    try:
        return "api.management" not in process.cmdline()
    except psutil.Error:  # it has ended
        return False
