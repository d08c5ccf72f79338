"""The HTTP API: admits claims at the gate, writes them into the ledger, and answers."""
