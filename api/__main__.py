"""Starts the API: python -m api."""

import argparse
import sys

from api.authentication import load_verifier
from api.server import serve
from api.settings import ApiSettings
from coupons.errors import ConfigurationError
from coupons.logging import configure_logging
from coupons.open_files import raise_open_files_limit
from coupons.settings import describe_settings, load_settings


def main() -> int:
    """Serve until SIGTERM or SIGINT; 2 when a setting is wrong."""
    argparse.ArgumentParser(
        prog="python -m api",
        description="The HTTP API of Coupon CDC. It is set by environment variables:",
        epilog=describe_settings(ApiSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = load_settings(ApiSettings)
        configure_logging(settings.log_level)
        load_verifier(settings)  # before the workers do, to refuse a bad key at once
        raise_open_files_limit()  # each connection is one
        serve(settings)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
