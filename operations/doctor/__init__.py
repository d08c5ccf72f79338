"""Looks at every part of the system, and says what is wrong, what it means and what to type."""
