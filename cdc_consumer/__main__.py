"""One consumer: python -m cdc_consumer"""

import sys

from cdc_consumer import __doc__ as purpose
from cdc_consumer.bootstrap import run
from cdc_consumer.settings import ConsumerSettings
from coupons.process import run_process, show_help, stop_on_signals


def main() -> int:
    """Consume until SIGTERM or SIGINT."""
    show_help("cdc_consumer", purpose, ConsumerSettings)
    stopping = stop_on_signals()
    return run_process(ConsumerSettings, lambda settings: run(settings, stopping))


if __name__ == "__main__":
    sys.exit(main())
