"""The built book in a real Chromium, over http and from file.

`pytest tests/browser` runs these tests on the book in `_build/html`; `make browser` does just
that. An ordinary `pytest tests` leaves them out, because they need a built book.

Fixtures for a test of one page:

    def test_something(page_over_http):
        visit = page_over_http("chapters/01_autoencoders.html", width=390, scheme="dark")
        visit.page.locator("...").click()      # a Playwright page, loaded, mathematics typeset
        visit.assert_clean()                   # no foreign or failed request, no console error

`page_over_file` does the same with a `file://` address. `show(widget, width=390)` needs no book:
it opens a page with that figure alone, started as in the book.

No assertion comes before what it asserts. A key or the mouse is answered at once: the action ends
when the page has handled it, and the figures draw while they do. What comes later is waited for:
another width or whatever is drawn in the next frame by `next_frames`, a touch and all that takes
its time (a clipboard, a kernel) by Playwright's `expect` or by asking again.

Tests of the same page of the book run in the same process, which opens it once; all others go
wherever there is room.
"""

import contextlib
import functools
import http.server
import os
import re
import shutil
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT as AXE
from playwright.sync_api import Page, sync_playwright
from xdist.scheduler import LoadScopeScheduling

sys.path.append(str(Path(__file__).resolve().parents[2] / "book" / "_ext"))

import vq_widgets

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BOOK = ROOT / "_build" / "html"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# The book's style, its switch between light and dark, and its script of figures.
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Figures</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="book.css">
<style>body {{ background: var(--pst-color-background); color: var(--pst-color-text-base);
  font-family: var(--vq-sans); margin: 1rem auto; max-width: 46rem; padding: 0 1rem }}
  * {{ box-sizing: border-box }}</style>
<script>
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => (document.documentElement.dataset.theme = dark.matches ? "dark" : "light");
  dark.addEventListener("change", follow);
  follow();
</script>
<script defer src="widgets.js"></script></head>
<body><main class="bd-article">{figures}</main></body></html>"""


def pages():
    """Addresses of the book's pages, relative to its root.

    The templates in _static are no pages, and index.html only leads to the first one.
    """
    found = (path.relative_to(BOOK) for path in BOOK.rglob("*.html"))
    other = ("_static", "index.html")
    return sorted(path.as_posix() for path in found if path.parts[0] not in other)


def pytest_ignore_collect(collection_path, config):
    """Leave this folder out unless the command line names it."""
    named = (Path(arg.split("::")[0]).resolve() for arg in config.args)
    if not any(path == HERE or HERE in path.parents for path in named):
        return True
    return None


def pytest_collection_modifyitems(items):
    """Mark the tests of this folder, so that -m can choose them."""
    for item in items:
        if HERE in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)


def pytest_generate_tests(metafunc):
    """Run a test that asks for `path` once on each page, one page after the other."""
    if "path" in metafunc.fixturenames:
        metafunc.parametrize("path", pages() or ["no page"], scope="module")


class ByPage(LoadScopeScheduling):
    """Which tests run in the same process: those of one page of the book, those of JupyterLab."""

    def _split_scope(self, nodeid):
        page = re.search(r"\[(.+\.html)", nodeid)
        return page[1] if page else nodeid.split("::")[0] if "jupyterlab" in nodeid else nodeid


def pytest_xdist_make_scheduler(config, log):
    """Share the tests out by pages, with `-n 2 --dist loadscope`."""
    return ByPage(config, log) if config.getvalue("dist") == "loadscope" else None


@dataclass
class Visit:
    """A page that was opened, and what happened while it was."""

    page: Page
    home: str
    requests: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def foreign(self):
        """Requests that left the book."""
        inside = (self.home, "data:", "blob:")
        return [url for url in self.requests if not url.startswith(inside)]

    def assert_clean(self):
        """Fail if a request left the book or failed, or if the console shows an error."""
        assert not self.foreign, f"requests that left the book: {self.foreign}"
        assert not self.failed, f"requests that failed: {self.failed}"
        assert not self.errors, f"errors in the console: {self.errors}"

    def assert_accessible(self):
        """Fail if axe finds fault with an interactive figure on the page."""
        self.page.evaluate(AXE)
        found = self.page.evaluate(
            """async () => (await axe.run("[data-vq-widget]", { resultTypes: ["violations"] }))
              .violations
              .flatMap(({ id, nodes }) => nodes.map((node) => id + ": " + node.failureSummary))"""
        )
        assert found == []


def assert_texts_apart(drawing):
    """Fail if two texts of an SVG touch each other."""
    boxes = drawing.locator("text").evaluate_all(
        """all => all.filter((e) => e.textContent).map((e) => e.getBoundingClientRect())
          .map(({ left, right, top, bottom }) => [left, right, top + 3, bottom - 3])"""
    )
    for i, (left, right, top, bottom) in enumerate(boxes):
        for other in boxes[:i]:
            assert right < other[0] or other[1] < left or bottom < other[2] or other[3] < top


@pytest.fixture(scope="session")
def book():
    """Folder of the built book."""
    if not (BOOK / "index.html").is_file():
        pytest.fail(f"There is no built book in {BOOK}: run `make book` first.", pytrace=False)
    return BOOK


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all tests: $CHROMIUM, else one on the path, else Playwright's own."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="session")
def server(book):
    """Address of a local server of the book, with a trailing slash."""
    handler = functools.partial(QuietHandler, directory=str(book))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/"
        httpd.shutdown()


def visit(browser, address, home, *, width=1280, height=900, scheme="light", **options):
    """Open an address below `home` in a context of its own and wait until the page is at rest."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, **options
    )
    page = context.new_page()
    seen = Visit(page, home)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("requestfailed", lambda request: seen.failed.append(request.url))
    page.on("response", functools.partial(_note_status, seen))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", functools.partial(_note_error, seen))
    page.goto(home + address, wait_until="load")
    if options.get("java_script_enabled", True):
        settle(page)
    return seen


def settle(page):
    """Wait until mathematics is typeset and every interactive figure has started or given up."""
    if page.locator("script[src*='mathjax']").count():
        page.wait_for_function("window.MathJax?.startup?.promise !== undefined")
        page.evaluate("MathJax.startup.promise")
    page.wait_for_function(
        "document.querySelectorAll('[data-vq-widget]:not([data-vq-ready])').length === 0"
    )


def next_frames(page):
    """Wait until the page has been drawn anew, with all that it had put off until then."""
    page.evaluate(
        "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
    )


def _note_status(seen, response):
    if response.status >= 400:
        seen.failed.append(f"{response.status} {response.url}")


def _note_error(seen, message):
    if message.type == "error":
        seen.errors.append(message.text)


@pytest.fixture(scope="session")
def homes(server, book):
    """Where the book stands: its two addresses, each with a trailing slash."""
    return {"http": server, "file": book.resolve().as_uri() + "/"}


@pytest.fixture
def page_over_http(browser, homes):
    """Open a page of the book over http: page_over_http(path, width=390, scheme="dark", ...)."""
    with contextlib.closing(Visits(browser, homes["http"])) as visits:
        yield visits.open


@pytest.fixture
def page_over_file(browser, homes):
    """Open a page of the book from file: page_over_file(path, width=390, scheme="dark", ...)."""
    with contextlib.closing(Visits(browser, homes["file"])) as visits:
        yield visits.open


@pytest.fixture
def show(browser, tmp_path):
    """Open a page with one figure on it, started as in the book: show(widget, width=390)."""
    shutil.copy(ROOT / "book" / "_static" / "book.css", tmp_path)
    script = vq_widgets.bundle(vq_widgets.sources(), vq_widgets.HOST.read_text("utf-8"))
    (tmp_path / "widgets.js").write_text(script, "utf-8")

    with contextlib.closing(Visits(browser, tmp_path.as_uri() + "/")) as visits:

        def opened(widget, **options):
            figure = widget._repr_mimebundle_()[0]["text/html"]
            (tmp_path / "figure.html").write_text(PAGE.format(figures=figure), "utf-8")
            return visits.open("figure.html", **options)

        yield opened


@pytest.fixture(scope="module", params=["http", "file"])
def seen(request, browser, homes, path):
    """The page `path`, opened once for all the tests that only look at it."""
    with contextlib.closing(Visits(browser, homes[request.param])) as visits:
        yield visits.open(path)


class Visits:
    """Pages that one test opens, closed together."""

    def __init__(self, browser, home):
        self.browser, self.home, self.opened = browser, home, []

    def open(self, path, **options):
        """Open a page by its path in the book."""
        self.opened.append(visit(self.browser, path, self.home, **options))
        return self.opened[-1]

    def close(self):
        """Close every page."""
        for seen in self.opened:
            seen.page.context.close()
