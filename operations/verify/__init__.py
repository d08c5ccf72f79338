"""Whether nothing is lost and nothing is oversold.

comparison.py compares gate and ledger request by request, mismatch.py names the ways in which they
differ. report.py adds the counts of one coupon, in_flight.py says why requests are not final,
unmatched_rows.py finds rows that belong to nothing, lives.py counts what became of issued coupons,
codes.py their codes, and lists.py checks standby lists and lists of users. verification.py does all
of it.
"""
