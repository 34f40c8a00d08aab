"""An HTML page parsed into tags, text and links, and a name that tries to inject a script."""

from html.parser import HTMLParser

EVIL = "<script>alert('x')</script>&\"'"


class Page(HTMLParser):
    """Collects tags, text and attributes, as a browser would see them."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)
