"""Explicit-state models of the protocol: every state of a small world is looked at."""
