"""What the page says to type: it works where the operator types it."""

from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from connectors.connect import START_OR_SET
from monitor.page.figures import with_code
from operations.advice import is_default, naming


class Advice(NamedTuple):
    """folder: the state folder of the embedded stack; None: the system runs elsewhere."""

    folder: Path | None

    def typed(self, text: str) -> str:
        """A command, or a text with commands."""
        if self.folder is None:
            return text
        text = text.replace(START_OR_SET, "type `coupon up`")
        return text if is_default(self.folder) else naming(text, self.folder)

    def with_code(self, text: str) -> Markup:
        """The same, with what stands between backticks as code."""
        return with_code(self.typed(text))
