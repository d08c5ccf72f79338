"""The schema registry of these tests."""

from tests.registry import registry_server

__all__ = ["registry_server"]
