"""Progress of a run, on standard error."""

import click


def progress(text: str) -> None:
    """Print a line on standard error."""
    click.echo(text, err=True)
