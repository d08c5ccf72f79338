"""The commands of `coupon`, one module each."""
