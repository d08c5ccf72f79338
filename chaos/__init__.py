"""Chaos: causes faults on an embedded stack during claims, and checks what must hold all the same.

Run it with `make chaos` or `python -m chaos`; the fault tests use the same parts.
"""
