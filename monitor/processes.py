"""What the processes of the system say of themselves over HTTP, and how full disks are."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from coupons.errors import STOPPED_AT_LIMIT, CouponError
from coupons.links.web import WebService, why_no_response


@dataclass(frozen=True, slots=True)
class Health:
    """is_healthy: whether it says so. says: what is wrong; None: nothing."""

    is_healthy: bool
    says: str | None

    @property
    def is_stopped(self) -> bool:
        """Whether it is a consumer that stopped at the dead-letter limit."""
        return self.says is not None and self.says.startswith(STOPPED_AT_LIMIT)


@dataclass(frozen=True, slots=True)
class Disk:
    """In bytes."""

    free: int
    size: int


class HealthReader:
    """path: what to ask, such as /healthz. For one thread."""

    def __init__(self, url: str, path: str, timeout_s: float) -> None:
        self._service = WebService(url)
        self._path = path
        self._timeout_s = timeout_s

    def read(self) -> Health:
        """Raises CouponError when it does not answer."""
        try:
            answer = self._service.request("GET", self._path, self._timeout_s)
        except requests.RequestException as error:
            why = why_no_response(error)
            raise CouponError(f"it does not answer at {self._service.url} ({why})") from error
        return Health(answer.ok, None if answer.ok else _says(answer))


def read_disks(disks: dict[str, Path]) -> dict[str, Disk]:
    """By part. Raises OSError for a folder that cannot be read."""
    usage = {part: shutil.disk_usage(folder) for part, folder in disks.items()}
    return {part: Disk(used.free, used.total) for part, used in usage.items()}


def address(url: str) -> str:
    """The servers that a URL names, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _says(answer: requests.Response) -> str:
    try:
        said = answer.json()
        bad = [f"{name}: {what}" for name, what in said.items() if name not in ("status", "detail")]
        return str(said.get("detail") or "; ".join(bad) or said)[:500]
    except (ValueError, AttributeError):
        return f"{answer.status_code} {answer.text[:200]}"
