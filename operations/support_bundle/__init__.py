"""One archive for a bug report: versions, settings, states and logs, without secrets.

secrets.py finds the secrets that this machine knows, redaction.py hides them and what looks like
one. contents.py says what is gathered, archive.py gathers and writes it.
"""
