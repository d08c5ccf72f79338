"""Private keys in new files."""

import os
from pathlib import Path

from coupons.errors import ConfigurationError
from coupons.receipts import SigningKeys, load_signing_keys, new_private_key


def make_key(file: Path) -> SigningKeys:
    """A new key in a new file that only its owner can read. Raises ConfigurationError."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be made: {error.strerror}; a key is never written over a file"
        ) from error
    with os.fdopen(descriptor, "w") as made:
        made.write(new_private_key())
    return load_signing_keys(file)
