"""Checks files of certificates and keys before they are used for a connection."""

import ssl
from pathlib import Path


def check_ca_file(path: Path) -> None:
    """Raises ValueError, with the reason, unless it is a file of certificates in PEM."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError(f"{path} does not hold certificates in PEM") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error


def check_key_pair(certificate: Path, key: Path) -> None:
    """Raises ValueError, with the reason, unless the key in PEM fits the certificate."""
    try:
        # Without a password given, the library would ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise ValueError(
            f"{certificate} and {key} are not a certificate and its key, both in PEM and the key"
            f" without a password ({error.reason})"
        ) from error
    except OSError as error:
        missing = certificate if not certificate.is_file() else key
        raise ValueError(f"{missing} cannot be read: {error.strerror}") from error


def read_secret(path: Path) -> str:
    """The one secret that a file holds, without the newline at its end. Raises ValueError."""
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ValueError(f"{path} cannot be read: {why}") from error
    if not secret:
        raise ValueError(f"{path} is empty")
    return secret
