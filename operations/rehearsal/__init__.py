"""A rehearsal: synthetic users claim a coupon of their own through everything, for a report.

run.py is the rehearsal, load.py its users, watching.py and processes.py what is measured meanwhile,
sizing.py what follows from it, report.py says it on one page, purging.py removes what it left.
"""
