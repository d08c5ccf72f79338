"""Hides secrets in texts and values: those that are known, and whatever looks like one."""

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from operations.support_bundle.secrets import is_secret_setting

HIDDEN = "[hidden]"

_LOOKS_LIKE_ONE = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
        ),
        HIDDEN,
    ),
    (re.compile(r"(://[^\s/:@]*:)[^\s/]*@"), rf"\1{HIDDEN}@"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.I), rf"\1 {HIDDEN}"),
    (
        re.compile(
            # Nothing that is kept stands before the name: it would be tried at every letter.
            r"((?:passw(?:or)?d|passphrase|secret|token|credential|api[_.-]?key)[\w.-]*"
            r"[\"']?\s*[:=]\s*[\"']?)(?!\$\{|\[hidden\])[^\s\"',;&}]+",
            re.I,
        ),
        rf"\1{HIDDEN}",
    ),
)


class Redactor:
    """secrets: known ones; each is hidden as it is, and as URLs, JSON and Python write it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def text(self, text: str) -> str:
        """The text without secrets."""
        hidden = self._known.sub(HIDDEN, text)
        for pattern, instead in _LOOKS_LIKE_ONE:
            hidden = pattern.sub(instead, hidden)
        return hidden

    def value(self, value: Any, name: str = "") -> Any:
        """The same for a JSON value. name: of the setting that holds it: it may say: a secret."""
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(each, str(key)) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each, name) for each in value]
        if not isinstance(value, str):
            return value
        # A reference to a variable of Connect is no secret, and says where the secret comes from.
        return (
            HIDDEN if is_secret_setting(name) and not value.startswith("${") else self.text(value)
        )


def _forms(secret: str) -> set[str]:
    return {
        *(secret, quote(secret), quote(secret, safe=""), quote_plus(secret)),
        *(json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]),
        repr(secret)[1:-1],
    }
