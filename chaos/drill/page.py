"""The monitor's page, as somebody reads it who is signed in."""

import html
import re

import requests

from operations.doctor.findings import Section
from stack.disposable import DisposableStack
from stack.options import existing
from stack.ports import HOST

_ANSWER_SECONDS = 10
_FORM_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class MonitorPage:
    """Of a stack. Signs in with a token."""

    def __init__(self, stack: DisposableStack) -> None:
        self._url = f"http://{HOST}:{existing(stack.folder).ports['monitor']}"
        self._session = requests.Session()
        form = _FORM_TOKEN.search(self._read("/sign-in"))
        assert form, "the form to sign in has no token"
        given = {"csrf_token": form[1], "token": stack.token(1, "coupon:ops")}
        answer = self._session.post(f"{self._url}/sign-in", given, timeout=_ANSWER_SECONDS)
        answer.raise_for_status()

    def close(self) -> None:
        """Disconnect."""
        self._session.close()

    def names(self, section: Section) -> bool:
        """Whether it sends the reader to this section of the runbook."""
        return f"In the runbook: {section}<" in html.unescape(self._read("/live"))

    def _read(self, path: str) -> str:
        answer = self._session.get(f"{self._url}{path}", timeout=_ANSWER_SECONDS)
        answer.raise_for_status()
        return answer.text
