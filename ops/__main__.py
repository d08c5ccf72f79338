"""`python -m ops` is the `coupon` command."""

from ops.cli import main

main(prog_name="coupon")
