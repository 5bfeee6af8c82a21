"""Every page of the book: self-contained, typeset, described, fitting, accessible."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT as AXE

# What does not depend on where the page comes from is looked at once.
OVER_HTTP = pytest.mark.parametrize("seen", ["http"], indirect=True)


def switch(page, scheme):
    """Change the system's colour scheme and wait until the page has followed."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
    # Asked again and again, with a limit: the promise of a transition need not come true.
    page.wait_for_function(
        "document.getAnimations().every(({ playState }) => playState !== 'running')"
    )


def test_self_contained(seen):
    # Scrolled to its end, a page has loaded all it ever will.
    seen.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    seen.page.wait_for_load_state("networkidle")
    seen.assert_clean()
    assert len(seen.requests) > 1


def test_mathematics_is_typeset(seen):
    page = seen.page
    has_math = page.locator("script[src*='mathjax']").count() > 0
    assert (page.locator("mjx-container").count() > 0) == has_math
    assert page.locator("mjx-merror, [data-mjx-error]").all_inner_texts() == []
    # Code and its output may show TeX; text may not.
    raw = page.evaluate(
        r"""() => {
          const text = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const found = [];
          while (text.nextNode()) {
            const { parentElement: parent, data } = text.currentNode;
            if (/\\[([]/.test(data) && !parent.closest("pre, code, script, style"))
              found.push(data);
          }
          return found;
        }"""
    )
    assert raw == []
    # Drawn in the ink of the text around it, in both modes; axe does not see this.
    switch(page, "dark")
    ink = page.evaluate(
        """() => [...document.querySelectorAll("mjx-container")]
          .map((math) => [getComputedStyle(math).color, getComputedStyle(document.body).color])
          .map((pair) => pair.map((color) => color.match(/\\d+/g).reduce((a, b) => +a + +b)))
          .filter(([math, text]) => Math.abs(math - text) > 150)"""
    )
    assert ink == []


@OVER_HTTP
def test_images_load_and_are_described(seen):
    page = seen.page
    broken = page.evaluate(
        """() => [...document.images]
          .filter((image) => !image.hasAttribute("alt") || !image.complete || !image.naturalWidth)
          .map((image) => image.outerHTML.slice(0, 200))"""
    )
    assert broken == []
    # An empty alt is for decoration: no picture of the text is that.
    silent = page.evaluate(
        """() => [...document.querySelectorAll("article img, main article svg[role=img]")]
          .filter((image) => !image.getAttribute("alt") && !image.getAttribute("aria-label"))
          .map((image) => image.outerHTML.slice(0, 200))"""
    )
    assert silent == []


@OVER_HTTP
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out(seen, width):
    page = seen.page
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@OVER_HTTP
def test_accessible(seen, scheme):
    page = seen.page
    switch(page, scheme)
    page.evaluate(AXE)
    grave = page.evaluate(
        """async () => (await axe.run(
            { exclude: ["mjx-container > *"] }, { resultTypes: ["violations"] })).violations
          .filter(({ impact }) => ["serious", "critical"].includes(impact))
          .flatMap(({ id, nodes }) => nodes.map((node) =>
            id + ": " + node.html.slice(0, 160) + " " + node.failureSummary))"""
    )
    assert grave == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@OVER_HTTP
def test_a_figure_shows_the_variant_of_the_mode(seen, scheme):
    page = seen.page
    switch(page, scheme)
    shown = page.evaluate(
        """() => [...document.querySelectorAll(".vq-figure img")]
          .filter((image) => image.offsetParent !== null).map((image) => image.className)"""
    )
    figures = page.locator(".vq-figure:has(.vq-dark)").count()
    assert shown == [f"vq-{scheme}"] * figures


def test_widgets_start(seen):
    page = seen.page
    assert page.locator("[data-vq-widget][data-vq-ready=no]").count() == 0
