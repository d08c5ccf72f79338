"""What is being measured now, for whoever waits."""

import click


def progress(text: str) -> None:
    """A line on standard error."""
    click.echo(text, err=True)
