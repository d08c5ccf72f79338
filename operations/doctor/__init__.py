"""Checks every part of the system, and says what is wrong, what it means and what to type.

checks.py runs the checks in parallel and causes.py orders their findings. Each other module checks
what its name says; findings.py and runbook_sections.py are what the checks share.
"""
