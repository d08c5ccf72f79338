"""The five servers: where their programs come from, their settings, and how to tell they work."""
