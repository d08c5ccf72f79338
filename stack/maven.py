"""Downloads single Maven artifacts without Maven."""

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from coupons.errors import NO_SPACE
from stack.artifacts import Artifact
from stack.errors import StackError

_TIMEOUT_S = 60
OnBytes = Callable[[int], None]
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Either names the certificate authorities that `requests` trusts, instead of its own list."""


@contextmanager
def system_authorities(folder: Path) -> Iterator[None]:
    """Have downloads trust the system's certificate authorities beside the well-known ones.

    A company's proxy signs with an authority of its own, which is installed on its machines and
    in no Python package. The joined list lies in `folder`. A list that the environment names is
    left alone. The system's is OpenSSL's, which SSL_CERT_FILE can replace.
    """
    system = ssl.get_default_verify_paths().cafile
    if system is None or any(os.environ.get(name) for name in _BUNDLE_VARIABLES):
        yield
        return
    import certifi

    joined = folder / "authorities.pem"
    joined.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + Path(system).read_bytes())
    os.environ[_BUNDLE_VARIABLES[0]] = str(joined)
    try:
        yield
    finally:
        del os.environ[_BUNDLE_VARIABLES[0]]


def fetch(artifact: Artifact, folder: Path, on_bytes: OnBytes) -> Path:
    """Downloads one artifact into `folder` and returns its path; the content is not checked here.

    `on_bytes` is called with the number of bytes of each piece that arrives. The setting
    COUPON_MAVEN_MIRROR names a repository to ask instead of the public one.
    """
    import requests
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def progress(_filename: str, _size: int) -> Iterator[OnBytes]:
        yield on_bytes

    mirror = os.environ.get("COUPON_MAVEN_MIRROR")
    context = MavenContext(
        resolver=PythonResolver(progress_callback=progress),
        repo_cache=folder,
        local_repos=[],
        remote_repos={"mirror": mirror} if mirror else None,
        timeout=_TIMEOUT_S,
    )
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    try:
        return Path(component.artifact(artifact.classifier, artifact.packaging).resolve())
    except requests.exceptions.SSLError as error:
        raise StackError(
            f"could not download {artifact.filename}: {error}\n"
            "Nothing was started. If a proxy of your company signs with its own certificate"
            " authority, install that authority on this machine, or name a file of it:"
            " SSL_CERT_FILE=FILE (PEM)"
        ) from error
    except (requests.RequestException, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise StackError(
            f"could not download {artifact.filename}: {error}\n"
            "The first start needs a network connection; nothing was started. Try again when there "
            "is one (COUPON_MAVEN_MIRROR names another Maven repository)."
        ) from error
