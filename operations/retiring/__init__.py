"""Retires archived coupons: their rows go into Parquet files, and out of the ledger.

export.py writes and proves the files of one coupon, parquet.py knows their form, manifest.py what a
folder holds. retire.py goes through the steps. erase.py takes erased users out of the files.
"""
