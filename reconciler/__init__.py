"""Finds where Redis and Postgres disagree. Repairs Redis from Postgres, and writes missing rows.

service.py is the process, routine_pass.py the pass over all coupons every second, comparer.py the
request-by-request comparison beside it, watch.py what both remember. connector_watch.py restarts a
failed connector. expiry_sweep.py writes what has expired as changes of issued coupons. failing.py
keeps the coupons that cannot be worked on.
"""
