"""What a person reads of a page."""

from html.parser import HTMLParser

from tests.monitor.page.conftest import Answer


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def text_of(answer: Answer) -> str:
    """The text without markup, in one line."""
    words = _Words()
    words.feed(answer.text)
    return " ".join(" ".join(words.found).split())
