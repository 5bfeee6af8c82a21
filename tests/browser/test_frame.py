"""What surrounds the text: search, buttons, numbers, modes, the front door."""

import re

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
    seen.page.wait_for_selector("#search-results li a[href*='01_autoencoders']")
    seen.page.wait_for_load_state("networkidle")
    seen.assert_clean()


def test_search_button_opens_a_field(page_over_http):
    page = page_over_http("book/intro.html", width=390).page
    page.locator(".bd-header-article .search-button").first.click()
    field = page.locator("dialog[open] input[name=q], .search-button__wrapper.show input[name=q]")
    field.first.fill("bottleneck")
    field.first.press("Enter")
    page.wait_for_url("**/search.html?q=bottleneck*")


def test_copy_button_copies(page_over_http, server):
    seen = page_over_http(html_of(NOTEBOOKS[0]), permissions=["clipboard-read", "clipboard-write"])
    cell = seen.page.locator("div.cell_input").first
    cell.hover()
    cell.locator("button.copybtn").click()
    seen.page.wait_for_function(
        "async (text) => (await navigator.clipboard.readText()).trim() === text",
        arg=cell.locator("pre").inner_text().strip(),
    )


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
