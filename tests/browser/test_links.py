"""Every link inside the book leads to a page that exists, and to a place on it."""

from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urlsplit

import pytest


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        if tag == "a" and "href" in attrs:
            self.links.append(attrs["href"] or "")


@pytest.fixture(scope="session")
def parsed(book):
    """Read a page once, by its file."""
    read = {}

    def parse(file):
        if file not in read:
            read[file] = Page(file.read_text("utf-8"))
        return read[file]

    return parse


def test_links_resolve(book, parsed, path):
    page, broken = book / path, []
    for link in parsed(page).links:
        address, anchor = urldefrag(link)
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        lost = not target.is_file() or (anchor and unquote(anchor) not in parsed(target).anchors)
        if lost or not link:
            broken.append(link or "a link to nothing")
    assert broken == []
