"""The machine, the stack under load, its processes, and what they use."""
