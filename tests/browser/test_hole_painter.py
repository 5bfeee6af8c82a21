"""The painted hole on a page of its own, and on the chapter's, against what Python computes."""

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from tests.browser.conftest import BOOK, next_frames
from tests.course.test_hole_painter import HolePainter, filled, rounded, state_in_html, unpacked
from vqvae_lib.likelihoods import Binomial
from vqvae_lib.vqvae import VQVAE

CHAPTER = "chapters/09_image_generation.html"
EFFORT = (32, 30, 3)
LOWER = list(range(12, 24))
COVER = [143, 208, 245]  # of hidden pixels


def small():
    """A figure of three images with 4 rows and 6 columns, fast to fill."""
    torch.manual_seed(0)
    model = rounded(VQVAE(24, 10, 4, 2, likelihood=Binomial(16)))
    images = torch.randint(0, 17, (3, 24)) / 16
    mean = torch.linspace(0.2, 0.8, 24)
    return HolePainter(
        model, images, [7, 1, 4], image_shape=(4, 6), alt="A hole and its fill.", mean_image=mean
    )


FIGURE = small()
STATE = state_in_html(FIGURE)
IMAGES = unpacked(STATE["images"]).reshape(3, 24)


@pytest.fixture
def opened(show):
    """Open the figure: opened(width=390)."""
    return lambda **options: show(FIGURE, **options)


def rest(page):
    """Wait until the fill is computed in full, two frames after the last change."""
    next_frames(page)
    page.wait_for_function("document.querySelector('.vq-hole').dataset.steps === '30'")


def pixels(canvas):
    """Colours of a canvas, (D, 3)."""
    data = canvas.evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    )
    return np.array(data).reshape(-1, 4)[:, :3]


def hole(page):
    """Which pixels are covered where the hole is painted."""
    colours = pixels(page.locator(".vq-paint canvas"))
    return np.flatnonzero((colours == COVER).all(1)).tolist()


def grey(values):
    return np.repeat(np.round(255 * (1 - np.clip(values, 0, 1)))[:, None], 3, 1)


def assert_shows(page, hidden, image=0):
    """All pictures and texts are those of the hole and the image."""
    rest(page)
    assert hole(page) == hidden
    found = filled(STATE, image, hidden, 1, *EFFORT)
    canvases = page.locator(".vq-hole .vq-main canvas").all()
    draws = page.locator(".vq-draws canvas").all()
    assert (len(canvases), len(draws)) == (3, 6)
    for canvas, values in zip(
        [canvases[1], *draws], [found["average"], *found["draws"][:6]], strict=True
    ):
        expected = IMAGES[image].copy()
        expected[hidden] = values
        np.testing.assert_allclose(pixels(canvas), grey(expected), atol=1)
    part = np.clip(np.array(found["deviation"])[:, None] / 0.4, 0, 1)
    blue = 255 + part * (np.array([0x00, 0x52, 0x8F]) - 255)
    np.testing.assert_allclose(pixels(canvases[2])[hidden], blue.reshape(-1, 3), atol=1)
    said = page.locator(".vq-readout").inner_text()
    if not hidden:
        assert said == "No pixel is hidden: paint a hole."
        return
    numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", said)]
    assert numbers[:4] == [24 - len(hidden), 32, 30, 3]
    accepted, proposals, moved, moves = numbers[4:8]
    assert (proposals, moves) == (960, 2880)
    assert [accepted, moved] == pytest.approx(
        [100 * found["accepted"], 100 * found["moved"]], abs=0.51
    )
    return found


def place(page, row, column):
    """Where a pixel is on the screen."""
    box = page.locator(".vq-paint canvas").bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / 6, box["y"] + (row + 0.5) * box["height"] / 4


def test_it_starts_with_the_lower_half_hidden(opened):
    visit = opened()
    page = visit.page
    assert_shows(page, LOWER)
    assert page.locator("[data-vq-widget=hole_painter][data-vq-ready=yes]").count() == 1
    assert not page.get_by_text("The truth", exact=True).is_visible()
    visit.assert_clean()


def test_the_pointer_paints_and_wipes(opened):
    visit = opened()
    page = visit.page
    page.get_by_role("button", name="clear").click()
    assert_shows(page, [])
    page.mouse.move(*place(page, 0, 1))
    page.mouse.down()
    page.mouse.move(
        *place(page, 3, 4)
    )  # quicker than the events: the pixels between are hidden, too
    page.wait_for_function("document.querySelector('.vq-hole').dataset.steps !== '30'")
    page.mouse.move(*place(page, 3, 5))
    page.mouse.up()
    assert_shows(page, [1, 8, 15, 22, 23])
    page.mouse.move(*place(page, 0, 0))
    rest(page)
    assert hole(page) == [1, 8, 15, 22, 23]  # the button is up
    page.mouse.move(*place(page, 3, 5))
    page.mouse.down()  # on a hidden pixel: it shows pixels again
    page.mouse.move(*place(page, 3, 3))
    page.mouse.up()
    assert_shows(page, [1, 8, 15])
    visit.assert_clean()


def test_a_finger_paints(opened):
    page = opened(width=390, has_touch=True).page
    page.get_by_role("button", name="clear").tap()
    expect(page.locator(".vq-readout")).to_have_text("No pixel is hidden: paint a hole.")
    page.touchscreen.tap(*place(page, 2, 3))
    expect(page.locator(".vq-readout")).not_to_have_text("No pixel is hidden: paint a hole.")
    assert_shows(page, [15])
    assert (
        page.locator(".vq-paint canvas").evaluate("c => getComputedStyle(c).touchAction") == "none"
    )


def test_keys_paint(opened):
    visit = opened()
    page = visit.page
    page.get_by_role("button", name="clear").click()
    page.evaluate("window.heard = []; addEventListener('keydown', ({ key }) => heard.push(key))")
    page.get_by_role("application").focus()
    for key in ("ArrowRight", "ArrowDown", "Space", "ArrowLeft", "ArrowUp", "ArrowUp", "Space"):
        page.keyboard.press(key)
    assert_shows(page, [0, 7])
    spoken = page.locator(".vq-spoken")
    assert spoken.text_content() == "row 1, column 1: hidden"
    page.keyboard.press("Space")
    assert spoken.text_content() == "row 1, column 1: seen"
    for _ in range(8):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert_shows(page, [7, 23])
    assert page.evaluate("heard") == []  # JupyterLab would take them for itself
    assert page.evaluate("scrollY") == 0
    assert (
        page.locator(".vq-cursor").first.evaluate("e => getComputedStyle(e).visibility")
        == "visible"
    )
    visit.assert_clean()


def test_buttons_hide_what_they_say(opened):
    page = opened().page
    expected = {
        "left half": [i for i in range(24) if i % 6 < 3],
        "middle": [8, 9, 10, 14, 15, 16],
        "lower half": LOWER,
        "clear": [],
    }
    for name, hidden in expected.items():
        page.get_by_role("button", name=name).click()
        assert_shows(page, hidden)


def test_another_digit_is_filled_in_the_same_hole(opened):
    page = opened().page
    digits = page.get_by_role("radio")
    assert [digit.get_attribute("aria-label") for digit in digits.all()] == [
        "image 1, a 7", "image 2, a 1", "image 3, a 4",
    ]  # fmt: skip
    page.get_by_label("image 3, a 4").check()
    assert_shows(page, LOWER, image=2)
    page.keyboard.press("ArrowLeft")
    assert_shows(page, LOWER, image=1)
    for index, canvas in enumerate(page.locator("fieldset canvas").all()):
        colours = pixels(canvas)  # the hole also covers what the small pictures would give away
        assert (colours[LOWER] == COVER).all()
        np.testing.assert_allclose(colours[:12], grey(IMAGES[index])[:12], atol=1)


def test_the_truth_is_shown_when_it_is_asked_for(opened):
    page = opened().page
    page.get_by_label("Show the truth").check()
    found = assert_shows(page, LOWER)
    truth, baseline = page.locator(".vq-pair canvas").all()
    np.testing.assert_allclose(pixels(truth), grey(IMAGES[0]), atol=1)
    mean = IMAGES[0].copy()
    mean[LOWER] = unpacked(STATE["mean_image"])[LOWER]
    np.testing.assert_allclose(pixels(baseline), grey(mean), atol=1)
    errors = [
        np.sqrt(np.mean((values - IMAGES[0][LOWER]) ** 2))
        for values in (np.array(found["average"]), mean[LOWER])
    ]
    said = page.locator(".vq-error").inner_text()
    assert [float(number) for number in re.findall(r"\d+(?:\.\d+)?", said)] == pytest.approx(
        [12, *errors], abs=6e-4
    )
    page.get_by_role("button", name="clear").click()
    rest(page)
    assert page.locator(".vq-error").inner_text() == ""
    page.get_by_label("Show the truth").uncheck()
    expect(truth).to_be_hidden()  # drawn in the next frame


def test_the_same_hole_gives_the_same_picture(opened):
    page = opened().page
    rest(page)
    picture = page.locator(".vq-draws canvas").first
    before = pixels(picture)
    page.get_by_role("button", name="clear").click()
    rest(page)
    page.get_by_role("button", name="lower half").click()
    rest(page)
    np.testing.assert_array_equal(pixels(picture), before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [330, 375, 1000])
def test_it_fits_and_is_accessible(opened, width, scheme):
    visit = opened(width=width, scheme=scheme)
    page = visit.page
    page.get_by_label("Show the truth").check()
    for name in ("middle", "left half"):
        page.get_by_role("button", name=name).click()
        rest(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".vq-widget").evaluate("e => e.scrollWidth <= e.clientWidth")
    assert not re.search(r"\{\w+\}|undefined|NaN", page.locator(".vq-widget").inner_text())
    box = page.locator(".vq-paint canvas").bounding_box()
    assert box["width"] / 6 > 24  # wide enough for a finger
    assert box["width"] / box["height"] == pytest.approx(6 / 4, rel=0.01)
    rendering = page.locator(".vq-hole canvas").evaluate_all(
        "all => all.map((c) => getComputedStyle(c).imageRendering)"
    )
    assert set(rendering) == {"pixelated"}
    visit.assert_clean()
    visit.assert_accessible()


@pytest.mark.skipif(not (BOOK / CHAPTER).is_file(), reason="the chapter is not in the built book")
def test_it_works_in_the_chapter(page_over_http):
    visit = page_over_http(CHAPTER)
    page = visit.page
    figure = page.locator("[data-vq-widget=hole_painter]").first
    assert figure.get_attribute("data-vq-ready") == "yes"
    filled_before = pixels(figure.locator(".vq-main canvas").nth(1))
    figure.get_by_role("button", name="left half").click()
    rest(page)
    assert (pixels(figure.locator(".vq-main canvas").nth(1)) != filled_before).any()
    figure.get_by_role("button", name="clear").click()
    rest(page)
    assert figure.locator(".vq-readout").inner_text() == "No pixel is hidden: paint a hole."
    visit.assert_clean()
