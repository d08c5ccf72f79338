"""The HTTP API: python -m api"""

import sys

from api.server import serve
from api.settings import ApiSettings
from coupons.process.main import run_process, show_help
from coupons.process.open_files import raise_open_files_limit
from coupons.process.token_keys import load_verifier


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    show_help("api", "The HTTP API of Coupon CDC.", ApiSettings)
    return run_process(ApiSettings, _serve)


def _serve(settings: ApiSettings) -> None:
    if settings.jwt_key_file is not None:
        # Here, before the workers do it: a bad key is refused at once.
        load_verifier(settings)
    raise_open_files_limit()  # each connection takes one
    serve(settings)


if __name__ == "__main__":
    sys.exit(main())
