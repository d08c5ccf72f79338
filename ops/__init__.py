"""Operating the system: the `coupon` command, the reconciler, and what they need."""
