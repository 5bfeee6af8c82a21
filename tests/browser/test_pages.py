"""Every page of the book: self-contained, typeset, described, fitting, accessible."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from axe_playwright_python.base import AXE_SCRIPT as AXE

from .conftest import ROOT, next_frames

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
    next_frames(page)  # figures draw anew when their width changes
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# A chapter's code has thousands of tokens in a dozen inks. Those of one ink, size and weight on one
# ground have one contrast, which is measured on the first ten that are visible.
MARK_REPEATED_TOKENS = """() => {
  const clear = "rgba(0, 0, 0, 0)";
  const times = new Map();
  for (const token of document.querySelectorAll("pre span:not(:has(*))")) {
    const { color, fontSize, fontWeight } = getComputedStyle(token);
    const grounds = [];
    for (let place = token; place; place = place.parentElement) {
      const { backgroundColor, opacity } = getComputedStyle(place);
      if (backgroundColor !== clear || opacity !== "1") grounds.push(backgroundColor, opacity);
    }
    const look = [color, fontSize, fontWeight, ...grounds].join();
    const before = times.get(look) ?? 0;
    token.toggleAttribute("data-repeated", before >= 10);
    times.set(look, before + token.checkVisibility({ visibilityProperty: true }));
  }
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@OVER_HTTP
def test_accessible(seen, scheme):
    page = seen.page
    switch(page, scheme)
    page.evaluate(MARK_REPEATED_TOKENS)
    page.evaluate(AXE)
    page.evaluate(
        "axe.configure({ rules: [{ id: 'color-contrast', selector: ':not([data-repeated])' }] })"
    )
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


# sphinx-exercise and sphinx-proof give every box of a page the same inner id; nothing links there.
BOXES = {"exercise-content", "proof", "proof-content", "solution-content"}


@OVER_HTTP
def test_no_duplicate_ids(seen):
    twice = seen.page.evaluate(
        """() => { const ids = [...document.querySelectorAll("article [id]")]
          .filter((element) => !element.closest("mjx-container")).map((element) => element.id);
          return ids.filter((id, i) => ids.indexOf(id) !== i); }"""
    )
    assert set(twice) <= BOXES


@OVER_HTTP
def test_equations_are_numbered_and_linked(seen):
    numbers = seen.page.locator("div.math[id^=equation-] .eqno")
    assert all(re.match(r"\(\d+(\.\d+)?\)", text) for text in numbers.all_text_contents())
    assert numbers.count() == seen.page.locator("div.math[id^=equation-]").count()


@OVER_HTTP
def test_buttons_of_a_notebook(seen, path):
    page, notebook = seen.page, Path(path).with_suffix(".ipynb")
    links = page.locator(".bd-header-article a").evaluate_all("all => all.map((a) => a.href)")
    is_notebook = (ROOT / notebook).is_file()
    assert any("mybinder.org" in link for link in links) == is_notebook
    if not is_notebook:
        return
    repository = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]
    # As the book was built: a fork's own address, if it has one.
    owner = os.environ.get("GITHUB_REPOSITORY") or repository["url"].split("github.com/")[1]
    home, branch, name = f"https://github.com/{owner}", repository["branch"], notebook.as_posix()
    assert f"https://mybinder.org/v2/gh/{owner}/{branch}?urlpath=lab/tree/{name}" in links
    assert f"https://colab.research.google.com/github/{owner}/blob/{branch}/{name}" in links
    assert home in links
    assert f"{home}/edit/{branch}/{name}" in links
    assert any(link.startswith(f"{home}/issues/new") for link in links)
    assert any(link.endswith(f"_sources/{name}") for link in links)
    cells = page.locator("div.cell_input")
    source = json.loads((ROOT / notebook).read_text("utf-8"))
    assert cells.count() > 0
    assert cells.count() <= sum(cell["cell_type"] == "code" for cell in source["cells"])
    assert page.locator("div.cell_input button.copybtn").count() == cells.count()
