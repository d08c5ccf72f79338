"""`python -m cli` is the `coupon` command."""

from cli.main import main

main(prog_name="coupon")
