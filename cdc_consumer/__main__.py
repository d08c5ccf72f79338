"""One consumer: python -m cdc_consumer"""

import logging
import sys

from cdc_consumer import __doc__ as purpose
from cdc_consumer.bootstrap import run
from cdc_consumer.loop import ClientGivenUp
from cdc_consumer.settings import ConsumerSettings
from coupons.process.main import restart_process, run_process, show_help, stop_on_signals


def main() -> int:
    """Consume until SIGTERM or SIGINT."""
    show_help("cdc_consumer", purpose, ConsumerSettings)
    stopping = stop_on_signals()

    def consume(settings: ConsumerSettings) -> None:
        try:
            run(settings, stopping)
        except ClientGivenUp as error:
            if not stopping.is_set():
                logging.critical("%s: the process restarts itself", error)
                restart_process(stopping)

    return run_process(ConsumerSettings, consume)


if __name__ == "__main__":
    sys.exit(main())
