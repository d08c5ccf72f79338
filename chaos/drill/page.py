"""The monitor's page, as somebody reads it who is signed in."""

import html
import re

import requests

from monitor.page.overview_views import CHECKING_SECONDS, REFRESH_SECONDS
from operations.doctor.findings import Section
from stack.disposable import DisposableStack
from stack.options import existing
from stack.ports import HOST

_ANSWER_SECONDS = 10
_CHECKING = f'hx-trigger="every {CHECKING_SECONDS}s"'
_FORM_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class MonitorPage:
    """Of a stack. Signs in with a token."""

    def __init__(self, stack: DisposableStack) -> None:
        self._url = f"http://{HOST}:{existing(stack.folder).ports['monitor']}"
        self._session = requests.Session()
        self._last = ""
        form = _FORM_TOKEN.search(self.read("/sign-in"))
        assert form, "the form to sign in has no token"
        given = {"csrf_token": form[1], "token": stack.token(1, "coupon:ops")}
        answer = self._session.post(f"{self._url}/sign-in", given, timeout=_ANSWER_SECONDS)
        answer.raise_for_status()

    def close(self) -> None:
        """Disconnect."""
        self._session.close()

    def is_complete(self) -> bool:
        """Whether it shows what the doctor found."""
        return _CHECKING not in self.read("/live")

    def refresh_s(self) -> float:
        """From the last refresh to the next one, as a browser does it after what it has read."""
        return CHECKING_SECONDS if _CHECKING in self._last else REFRESH_SECONDS

    def names(self, section: Section) -> bool:
        """Whether it sends the reader to this section of the runbook."""
        return f"In the runbook: {section}<" in html.unescape(self.read("/live"))

    def names_part(self, name: str) -> bool:
        """Whether it says of this server or process that it is not well, above everything else."""
        verdict = html.unescape(self.read("/live")).partition("</section>")[0]
        return re.search(rf"<li>{name} [^ ]+: ", verdict) is not None

    def read(self, path: str) -> str:
        """A page. Raises requests.RequestException."""
        answer = self._session.get(f"{self._url}{path}", timeout=_ANSWER_SECONDS)
        answer.raise_for_status()
        self._last = answer.text
        return answer.text
