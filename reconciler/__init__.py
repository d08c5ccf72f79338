"""Finds what Redis and Postgres disagree on, and repairs Redis from Postgres."""
