"""The four designs side by side: one module for each kind of load, `comparison` runs them."""
