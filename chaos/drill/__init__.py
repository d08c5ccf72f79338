"""Drill: causes one state of the runbook, for a person or a test that finds and repairs it.

Run it with `make drill` or `python -m chaos.drill`; tests/pipeline/test_drill.py walks every state.
"""
