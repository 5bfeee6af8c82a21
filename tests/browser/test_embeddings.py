"""Maps side by side on a page of their own, a digit chosen by a reader."""

import re

import pytest

from tests.course.test_embeddings_widget import figure


@pytest.fixture
def opened(show):
    return lambda **options: show(figure(), **options)


def said(page):
    """The chosen image's index and class, as the figure says them."""
    found = re.search(r"image (\d+), a (\d)", page.locator("p[aria-live]").text_content())
    return int(found[1]), int(found[2])


def rings(page):
    """Of each map how many neighbours are ringed in full, and where the chosen one is marked."""
    return page.locator(".vq-maps svg").evaluate_all(
        """maps => maps.map((map) => [
          [...map.querySelectorAll(".vq-neighbour")]
            .filter((ring) => ring.getAttribute("stroke-dasharray") === "none").length,
          map.querySelectorAll(".vq-neighbour").length,
          map.querySelectorAll(".vq-chosen").length])"""
    )


def assert_consistent(page):
    """Both maps mark five neighbours, and say as many as they ring."""
    index, label = said(page)
    captions = page.locator(".vq-maps p").all_text_contents()
    for (full, all_, chosen), caption, name in zip(
        rings(page), captions, ("PCA", "by chance"), strict=True
    ):
        assert (all_, chosen) == (5, 1)
        assert caption == f"{name}: {full} of 5 kept near"
    first = page.locator(".vq-near canvas").first
    assert first.get_attribute("aria-label") == f"image {index}, a {label}"
    assert page.locator(".vq-near canvas").count() == 6
    return index


def test_arrow_keys_choose_another_digit_in_all_maps(opened):
    visit = opened()
    page = visit.page
    seen = {assert_consistent(page)}
    page.locator(".vq-maps svg").first.focus()
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
        seen.add(assert_consistent(page))
    assert len(seen) > 2
    visit.assert_clean()


def test_the_slider_goes_through_all_images(opened):
    page = opened().page
    slider = page.get_by_label("image, one step each")
    slider.focus()
    page.keyboard.press("End")
    assert assert_consistent(page) == 59
    page.keyboard.press("ArrowLeft")
    assert assert_consistent(page) == 58


def test_pointing_at_a_digit_chooses_it(opened):
    page = opened().page
    before = assert_consistent(page)
    text = page.locator(".vq-maps svg").first.locator("text").nth(7)
    box = text.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    after = assert_consistent(page)
    assert after != before or before == 7


@pytest.mark.parametrize(("width", "scheme"), [(330, "light"), (390, "dark"), (1000, "light")])
def test_it_fits_and_is_accessible(opened, width, scheme):
    visit = opened(width=width, scheme=scheme)
    page = visit.page
    page.locator(".vq-maps svg").first.focus()
    page.keyboard.press("ArrowRight")
    assert_consistent(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    visit.assert_clean()
    visit.assert_accessible()
