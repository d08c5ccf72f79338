"""Gathers the state of the complete system, and serves it: metrics, JSON, and its own health.

source.py reads one source on a thread of its own; ledger.py, gate.py, stream.py, dead_letters.py
and processes.py say what is read. state.py is the result, metrics.py and document.py show it.
service.py is the process.
"""
