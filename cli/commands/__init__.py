"""The subcommands of `coupon`, one module each."""
