"""Repairing the gate from the ledger.

repairs.py has what a repair is, compare_and_repair.py repairs one coupon, all_coupons.py one after
the other, roll_forward.py writes the row of an abandoned claim.
"""
