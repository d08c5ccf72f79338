"""`coupon topics`."""

import json
import sys

import click

from cli.options import endpoints_option, json_option
from connectors.topic_settings import TopicSettings
from coupons.endpoints import Endpoints


@click.command("topics", short_help="Check the settings of Kafka's topics, and correct them.")
@endpoints_option("ops")
@click.option("--mend", is_flag=True, help="Set every wrong setting to its correct value.")
@json_option
def command(where: Endpoints, mend: bool, as_json: bool) -> None:
    """Show the settings of topics with which Kafka deletes records that are still needed.

    Checks clean-up policy and retention of the request topic, the heartbeats, the dead letters and
    Kafka Connect's own three topics. `coupon connector register` creates missing topics.

    \b
    Exit code 0: all are right, or were corrected
              1: a setting is wrong
              3: Kafka does not answer

    \b
      coupon topics
      coupon topics --mend
    """
    settings = TopicSettings(where.kafka_client())
    wrong = settings.correct() if mend else settings.wrong()
    if as_json:
        entries = [
            {"topic": each.topic, "setting": each.rule.setting, "value": each.value}
            for each in wrong
        ]
        click.echo(json.dumps({"corrected": mend, "wrong_settings": entries}))
    else:
        for each in wrong:
            click.echo(f"{'corrected: ' if mend else ''}{each}")
        if not wrong:
            click.echo("every topic has the settings that it needs")
    sys.exit(0 if mend or not wrong else 1)
