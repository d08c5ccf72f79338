"""A short rush on a coupon through the real pipeline.

run.py is the rush, claimants.py its users, tally.py counts what they saw.
"""
