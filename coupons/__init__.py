"""What all processes share: words, settings, the gate, the ledger and the change-event codec."""
