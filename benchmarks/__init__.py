"""Measurements on the embedded stack: ratios within one run, printed with the machine's size."""
