"""Shows which files of retired coupons may still name users who were erased."""

from collections.abc import Iterable

import click

from operations.retiring.open_exports import OpenExport


def print_open(exports: Iterable[OpenExport]) -> None:
    """A line for each, to stderr."""
    for each in exports:
        click.echo(
            f"open: coupon {each.coupon_id}, {each.where or 'no files yet'}: {each.why}. When they"
            " are there: `coupon erase --exports` (--exports-in FOLDER)",
            err=True,
        )
