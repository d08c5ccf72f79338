"""The consumer: takes issue requests from the change stream and makes them final.

The order is the same for every batch: commit in the ledger, mark at the gate, deliver the dead
letters, then commit the offsets. A batch that is interrupted comes again, which is harmless.
"""
