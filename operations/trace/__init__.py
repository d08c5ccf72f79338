"""Trace: one request through all stages, with times and reasons.

`trace.py` puts it together; `facts.py` asks each part; `record_search.py` finds the record in
Kafka; `waiting_for.py` and `why_none.py` say what a stage waits for and why there is no request.
"""
