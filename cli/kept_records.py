"""Shows how long Kafka keeps the records of what was removed."""

from datetime import datetime, timedelta

import click

_DAY = timedelta(days=1)


def kept_days(log_keeps: timedelta | None) -> float | None:
    """For JSON; None: for good."""
    return None if log_keeps is None else log_keeps / _DAY


def show_kept(log_keeps: timedelta | None) -> None:
    """A line of a preview. None: for good."""
    kept = "for good" if log_keeps is None else f"for {log_keeps / _DAY:,.3g} days at most"
    click.echo(f"Kafka keeps its records {kept}")


def moment_as_json(moment: datetime | None) -> str | None:
    """A moment of a proof, such as when the log forgets; None stays None."""
    return None if moment is None else moment.isoformat()
