"""What the processes share: the model, settings, the gate, the ledger and change events."""
