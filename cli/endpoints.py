"""Finds the system that a command works on."""

from collections.abc import Mapping

from coupons.endpoints import ENDPOINTS, Endpoints
from stack.endpoints import StackEndpoints
from stack.folder import StateFolder


def find_endpoints(
    folder: StateFolder, folder_was_named: bool, role: str, environment: Mapping[str, str]
) -> Endpoints:
    """The endpoints of the named state folder; else of the environment; else of the default folder.

    role: one of ROLES, for Postgres.
    """
    if not folder_was_named and any(environment.get(name) for name in ENDPOINTS):
        return Endpoints(environment, role)
    return StackEndpoints(folder, role)
