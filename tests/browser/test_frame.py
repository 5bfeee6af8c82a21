"""What surrounds the text: search, buttons, numbers, modes, the front door."""

import json
import os
import re

import pytest
import yaml

from .conftest import ROOT, pages

NOTEBOOKS = sorted(path.relative_to(ROOT) for path in (ROOT / "chapters").rglob("*.ipynb"))
NOTEBOOKS = [path for path in NOTEBOOKS if ".ipynb_checkpoints" not in path.parts]


def html_of(notebook):
    return notebook.with_suffix(".html").as_posix()


def test_pages_of_the_table_of_contents(book):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    named = set(re.findall(r"'file': '([^']+)'", str(toc))) | {toc["root"]}
    assert {f"{name}.html" for name in named} | {"search.html"} == set(pages())


def test_front_door(page_over_http):
    page = page_over_http("index.html").page
    page.wait_for_url("**/book/intro.html")
    assert page.locator("article h1").count() == 1


def test_search_finds_offline(page_over_http):
    seen = page_over_http("search.html?q=autoencoder")
    seen.page.wait_for_selector("#search-results li a")
    assert seen.page.locator("#search-results li a[href*='01_autoencoders']").count() >= 1
    seen.page.wait_for_load_state("networkidle")
    seen.assert_clean()


def test_search_button_opens_a_field(page_over_http):
    page = page_over_http("book/intro.html", width=390).page
    page.locator(".bd-header-article .search-button").first.click()
    field = page.locator("dialog[open] input[name=q], .search-button__wrapper.show input[name=q]")
    field.first.fill("bottleneck")
    field.first.press("Enter")
    page.wait_for_url("**/search.html?q=bottleneck*")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=html_of)
def test_buttons_of_a_notebook(page_over_http, notebook):
    page = page_over_http(html_of(notebook)).page
    links = page.locator(".bd-header-article a").evaluate_all("all => all.map((a) => a.href)")
    repository = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]
    # As the book was built: a fork's own address, if it has one.
    owner = os.environ.get("GITHUB_REPOSITORY") or repository["url"].split("github.com/")[1]
    home = f"https://github.com/{owner}"
    branch, path = repository["branch"], notebook.as_posix()
    assert f"https://mybinder.org/v2/gh/{owner}/{branch}?urlpath=lab/tree/{path}" in links
    assert f"https://colab.research.google.com/github/{owner}/blob/{branch}/{path}" in links
    assert home in links
    assert f"{home}/edit/{branch}/{path}" in links
    assert any(link.startswith(f"{home}/issues/new") for link in links)
    assert any(link.endswith(f"_sources/{path}") for link in links)
    cells = page.locator("div.cell_input")
    source = json.loads((ROOT / notebook).read_text("utf-8"))
    assert cells.count() > 0
    assert cells.count() <= sum(cell["cell_type"] == "code" for cell in source["cells"])
    assert page.locator("div.cell_input button.copybtn").count() == cells.count()


def test_copy_button_copies(page_over_http, server):
    seen = page_over_http(html_of(NOTEBOOKS[0]), permissions=["clipboard-read", "clipboard-write"])
    cell = seen.page.locator("div.cell_input").first
    cell.hover()
    cell.locator("button.copybtn").click()
    copied = seen.page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").inner_text().strip()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=html_of)
def test_equations_are_numbered_and_linked(page_over_http, notebook):
    page = page_over_http(html_of(notebook)).page
    numbers = page.locator("div.math[id^=equation-] .eqno")
    assert all(re.match(r"\(\d+(\.\d+)?\)", text) for text in numbers.all_inner_texts())
    assert numbers.count() == page.locator("div.math[id^=equation-]").count()


def test_mode_button_goes_through_the_modes(page_over_http):
    page = page_over_http("book/intro.html").page
    modes = set()
    for _ in range(3):
        page.locator(".bd-header-article .theme-switch-button").first.click()
        modes.add(page.evaluate("document.documentElement.dataset.mode"))
    assert modes == {"light", "dark", "auto"}


def test_without_script_the_page_still_reads(page_over_http):
    page = page_over_http("book/intro.html", java_script_enabled=False).page
    assert page.locator("article h1").is_visible()
