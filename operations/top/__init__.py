"""What the monitor says now, for `coupon top`: one reading, and the rates between readings."""
