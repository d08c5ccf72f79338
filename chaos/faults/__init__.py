"""The faults: each can be caused and healed, and is described in one sentence."""
