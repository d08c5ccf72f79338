"""What an operator can ask or do, without a terminal; `cli` renders it.

session.py connects to gate and ledger and works on one coupon after the other.
"""
