"""Runs one consumer: python -m cdc_consumer"""

import argparse
import logging
import os
import signal
import sys
from threading import Event

from confluent_kafka import KafkaException

from cdc_consumer import __doc__ as purpose
from cdc_consumer.bootstrap import run
from cdc_consumer.loop import OutsideOfGroup
from cdc_consumer.settings import ConsumerSettings
from coupons.errors import ConfigurationError
from coupons.logging import configure_logging
from coupons.settings import load_settings, variable_of


def main() -> int:
    """Exit code: 0 after SIGTERM or SIGINT, 1 when Kafka ends it, 2 when a setting is wrong."""
    arguments = argparse.ArgumentParser(
        prog="python -m cdc_consumer",
        description=purpose,
        epilog=_settings_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.parse_args()
    stopping = Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stopping.set())
    try:
        settings = load_settings(ConsumerSettings)
        configure_logging(settings.log_level)
        run(settings, stopping)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except OutsideOfGroup as error:
        # Seen after a whole machine had stood still: librdkafka asked for its coordinator no more.
        logging.critical("%s: the process begins anew", error)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    except KafkaException as error:
        logging.critical("Kafka does not let this consumer go on: %s; start it again", error)
        return 1
    return 0


def _settings_text() -> str:
    lines = ["settings, all from the environment:"]
    for name, field in ConsumerSettings.model_fields.items():
        default = "required" if field.is_required() else f"default {field.default}"
        lines.append(f"  {variable_of(name)} ({default})\n      {field.description}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
