"""`coupon topics`."""

import json
import sys

import click

from cli.options import endpoints_option, json_option
from connectors.topic_settings import TopicSettings
from coupons.endpoints import Endpoints


@click.command("topics", short_help="Look at the settings of Kafka's topics, and mend them.")
@endpoints_option("ops")
@click.option("--mend", is_flag=True, help="Set what is wrong as it has to be.")
@json_option
def command(where: Endpoints, mend: bool, as_json: bool) -> None:
    """Show which settings of a topic make Kafka throw away what is still needed.

    Looks at clean-up policy and retention of the request topic, the heartbeats, the dead letters
    and Kafka Connect's own three topics. What is missing is made by `coupon connector register`.

    \b
    Exit code 0: all are right, or were mended; 1: something is wrong; 3: Kafka does not answer

    \b
      coupon topics
      coupon topics --mend
    """
    settings = TopicSettings(where.kafka_client())
    faults = settings.correct() if mend else settings.wrong()
    if as_json:
        told = [
            {"topic": each.topic, "setting": each.rule.setting, "value": each.value}
            for each in faults
        ]
        click.echo(json.dumps({"mended": mend, "faults": told}))
    else:
        for fault in faults:
            click.echo(f"{'mended: ' if mend else ''}{fault}")
        if not faults:
            click.echo("every topic that is there has the settings that it needs")
    sys.exit(0 if mend or not faults else 1)
