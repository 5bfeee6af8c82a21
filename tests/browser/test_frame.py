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
    cell = seen.page.locator("div.cell:not(.tag_hide-input) > div.cell_input").first
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


# Two depths ---------------------------------------------------------------------------------------

CHAPTER = "chapters/01_autoencoders.html"


def test_one_switch_shows_all_code_and_is_remembered(page_over_http):
    page = page_over_http(CHAPTER).page
    switch = page.get_by_role("button", name="All code")
    folds = page.locator("details.hide.above-input")
    assert switch.get_attribute("aria-pressed") == "false"
    assert page.locator("details.hide.above-input[open]").count() == 0
    assert folds.filter(has_text="How this was drawn").first.is_visible()
    assert not folds.filter(has_text="How this was measured").first.is_visible()
    switch.focus()
    page.keyboard.press("Enter")
    assert switch.get_attribute("aria-pressed") == "true"
    assert page.locator("details.hide.above-input[open]").count() == folds.count() > 20
    page.reload()
    assert page.locator("details.hide.above-input[open]").count() == folds.count()
    page.get_by_role("button", name="All code").click()
    assert page.locator("details.hide.above-input[open]").count() == 0


def test_a_page_without_folded_code_has_no_switch(page_over_http):
    page = page_over_http("book/glossary.html").page
    assert page.get_by_role("button", name="All code").count() == 0


def test_a_side_road_is_folded_and_opens_for_a_link_into_it(page_over_http):
    page = page_over_http(CHAPTER).page
    roads = page.locator("section.vq-deeper")
    assert roads.count() >= 2
    road = roads.last
    text = road.locator("p").first
    assert not text.is_visible()
    road.locator("summary").first.click()
    assert text.is_visible()
    for target in (road.get_attribute("id"), "equation-eq-denoising-step"):
        deep = page_over_http(f"{CHAPTER}#{target}").page
        assert deep.locator("section.vq-deeper").last.locator("p").first.is_visible()
        assert deep.locator("section.vq-deeper").first.locator("p").first.is_hidden()


def test_without_javascript_side_roads_stand_open(page_over_http):
    page = page_over_http(CHAPTER, java_script_enabled=False).page
    assert page.get_by_text("Not with a compass for one noise level").is_visible()


def test_nobody_is_scolded_for_an_exercise_that_needs_a_kernel(page_over_http):
    page = page_over_http(CHAPTER).page
    verdicts = page.locator(".vq-unattempted")
    assert verdicts.count() >= 4
    assert not any(verdict.is_visible() for verdict in verdicts.all())
    assert page.get_by_text("Typical wrong answers").first.is_visible()


def test_numbers_in_prose_are_those_of_the_outputs(page_over_http):
    page = page_over_http(CHAPTER).page
    links = page.locator("a.vq-number-link")
    assert links.count() >= 8
    for link in links.all():
        number = page.locator(link.get_attribute("href")).first
        assert number.text_content() == link.text_content()
