"""The consumer: takes issue requests from the change stream and makes them final.

Order is sacred, for every batch: the ledger's commit, the marks at the gate, the dead letters
delivered, and only then the offsets. Whatever is cut off in between comes again, and does no harm.
"""
