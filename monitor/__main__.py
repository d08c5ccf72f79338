"""The monitor: python -m monitor"""

import sys

from coupons.process.main import run_process, show_help, stop_on_signals
from monitor.service import run_monitor
from monitor.settings import MonitorSettings

PURPOSE = """Shows the state of the complete system until SIGTERM: /metrics, /state.json, /healthz.

It only reads. Stopping it affects nothing else."""


def main() -> int:
    """Monitor until SIGTERM or SIGINT."""
    show_help("monitor", PURPOSE, MonitorSettings)
    stopping = stop_on_signals()
    return run_process(MonitorSettings, lambda settings: run_monitor(settings, stopping))


if __name__ == "__main__":
    sys.exit(main())
