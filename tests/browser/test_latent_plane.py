"""The figure of the latent plane, moved in the book as a reader moves it."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from tests.browser.test_pages import switch
from vqvae_lib.course.widgets import base, descriptions

CHAPTER = "chapters/01_autoencoders.html"
PLANE = ".vq-plane .vq-map canvas"
READOUT = ".vq-plane .vq-view p"
# The module's own arithmetic: its source, layers and points to decoded images.
DECODE = """async ([source, layers, points]) => {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const module = await import(address);
    const network = module.unpack(layers);
    return points.map((z) => Array.from(module.decode(network, z)));
}"""


def chosen(page):
    """The point that the figure says it shows."""
    text = page.locator(READOUT).first.text_content()
    return [float(number) for number in re.search(r"\((-?[\d.]+), (-?[\d.]+)\)", text).groups()]


def picture(page):
    """The decoded image's pixels."""
    return page.locator(".vq-plane .vq-view canvas").first.evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    )


@pytest.fixture(params=["page_over_http", "page_over_file"])
def visit(request):
    return request.getfixturevalue(request.param)(CHAPTER)


def test_dragging_moves_the_point_and_redraws(visit):
    page = visit.page
    canvas = page.locator(PLANE)
    canvas.scroll_into_view_if_needed()
    before, image = chosen(page), picture(page)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    first = chosen(page)
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.6 * box["height"], steps=4)
    page.mouse.up()
    second = chosen(page)
    assert first != before
    assert second[0] > first[0]  # to the right
    assert second[1] < first[1]  # and down
    assert picture(page) != image
    page.mouse.move(box["x"] + 5, box["y"] + 5)  # the button is up: nothing moves
    assert chosen(page) == second
    visit.assert_clean()


def test_pointer_and_point_agree(visit):
    """The marker lies where the pointer was: a corner is a corner of the extent."""
    page = visit.page
    canvas = page.locator(PLANE)
    canvas.scroll_into_view_if_needed()
    state = json.loads(page.locator(".vq-widget[data-vq-state]").get_attribute("data-vq-state"))
    low1, high1, low2, high2 = state["extent"]
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    a, b = chosen(page)
    assert a == pytest.approx(low1 + 0.25 * (high1 - low1), abs=0.02 * (high1 - low1))
    assert b == pytest.approx(high2 - 0.25 * (high2 - low2), abs=0.02 * (high2 - low2))


def test_arrow_keys_move_the_point_and_stop_at_the_border(visit):
    page = visit.page
    page.locator(PLANE).focus()
    for key, axis, sign in (
        ("ArrowRight", 0, 1),
        ("ArrowLeft", 0, -1),
        ("ArrowUp", 1, 1),
        ("ArrowDown", 1, -1),
    ):
        before = chosen(page)
        page.keyboard.press(key)
        after = chosen(page)
        assert sign * (after[axis] - before[axis]) > 0, key
        assert after[1 - axis] == before[1 - axis], key
    before = chosen(page)
    page.keyboard.press("Shift+ArrowRight")
    assert chosen(page)[0] - before[0] > 0.05
    for _ in range(15):
        page.keyboard.press("Shift+ArrowRight")
    edge = chosen(page)
    page.keyboard.press("Shift+ArrowRight")
    assert chosen(page) == edge


def test_sliders_move_the_point(visit):
    page = visit.page
    slider = page.get_by_label("first code")
    before = chosen(page)
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert chosen(page)[0] == pytest.approx(before[0] + 0.01, abs=0.011)
    page.keyboard.press("Home")
    state = json.loads(page.locator(".vq-widget[data-vq-state]").get_attribute("data-vq-state"))
    assert chosen(page)[0] == pytest.approx(state["extent"][0], abs=0.01)
    visit.assert_clean()


def test_touch_moves_the_point(page_over_file):
    page = page_over_file(CHAPTER, width=390, has_touch=True).page
    canvas = page.locator(PLANE)
    canvas.scroll_into_view_if_needed()
    before, box = page.locator(READOUT).first.text_content(), canvas.bounding_box()
    page.touchscreen.tap(box["x"] + 0.2 * box["width"], box["y"] + 0.8 * box["height"])
    expect(page.locator(READOUT).first).not_to_have_text(before)


def test_figure_follows_the_page_s_colours(page_over_file):
    """The marker is dark on a light page and light on a dark one."""

    page = page_over_file(CHAPTER).page

    def brightest(scheme):
        switch(page, scheme)
        # Of opaque pixels only: nearly clear ones at the edges of a stroke round to any colour.
        return page.locator(PLANE).evaluate(
            """c => {
              const pixels = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
              const ofOpaque = (_, i) => i % 4 === 0 && pixels[i + 3] === 255;
              return Math.max(...pixels.filter(ofOpaque));
            }"""
        )

    assert brightest("dark") == 255
    assert brightest("light") < 255


def test_browser_and_python_decode_alike(page_over_http):
    """The module's arithmetic against NumPy, on the weights that the page carries."""
    page = page_over_http(CHAPTER).page
    state = json.loads(page.locator(".vq-widget[data-vq-state]").get_attribute("data-vq-state"))
    points = [[0.0, 0.0], [1.5, -2.0], [-3.0, 0.7], state["z"]]
    decoded = page.evaluate(DECODE, [base.source("latent_plane"), state["layers"], points])
    for z, image in zip(points, decoded, strict=True):
        value = np.array(z)
        for layer in state["layers"]:
            weight, bias = (
                np.frombuffer(base64.b64decode(layer[part]), "<f2").astype(float)
                for part in ("weight", "bias")
            )
            value = weight.reshape(layer["shape"]) @ value + bias
            if layer["activation"] == "silu":
                value = value / (1 + np.exp(-value))
        np.testing.assert_allclose(image, value, atol=1e-9)


def test_every_activation_is_torch_s(page_over_file):
    page = page_over_file(CHAPTER).page
    torch.manual_seed(0)
    for activation in descriptions.ACTIVATIONS:
        # Weights that float16 holds exactly, and large enough to reach the tails.
        decoder = nn.Sequential(nn.Linear(2, 32), activation(), nn.Linear(32, 4)).half().double()
        decoder[0].weight.data.mul_(8)
        points = torch.tensor([[0.0, 0.0], [0.3, -0.7], [-2.0, 1.5]], dtype=torch.float64)
        decoded = page.evaluate(
            DECODE,
            [base.source("latent_plane"), descriptions.describe_network(decoder), points.tolist()],
        )
        with torch.no_grad():
            expected = decoder(points).numpy()
        np.testing.assert_allclose(decoded, expected, atol=1e-9, err_msg=str(activation))
