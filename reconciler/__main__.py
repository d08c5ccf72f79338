"""The reconciler: python -m reconciler"""

import sys

from coupons.process.main import run_process, show_help, stop_on_signals
from reconciler.service import run_reconciler
from reconciler.settings import ReconcilerSettings

PURPOSE = """Repairs the gate from the ledger, again and again, until SIGTERM.

Several may run: one is active, the others stand by."""


def main() -> int:
    """Reconcile until SIGTERM or SIGINT."""
    show_help("reconciler", PURPOSE, ReconcilerSettings)
    stopping = stop_on_signals()
    return run_process(ReconcilerSettings, lambda settings: run_reconciler(settings, stopping))


if __name__ == "__main__":
    sys.exit(main())
