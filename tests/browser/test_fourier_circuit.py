"""The figure from angles to a Fourier series, on a page of its own, against Python's numbers."""

import math
import re

import numpy as np
import pytest
import torch

from tests.browser.conftest import assert_texts_apart
from tests.course.test_fourier_circuit import mulberry32
from vqvae_lib import Circuit
from vqvae_lib.course.widgets import FourierCircuit
from vqvae_lib.quantum import StateVectorSimulator

SETTINGS = {"initial": "zero", "embedding": "RX", "entangler": "ring", "space_layers": 3}
CIRCUITS = {
    "uploaded once": Circuit(3, **SETTINGS),
    "uploaded 3 times": Circuit(3, **SETTINGS, reupload=True),
}
J, K = 1, 2  # the feature is ⟨Z₁⟩
POINT = [0.4, 0.0, -0.8]


@pytest.fixture
def opened(show):
    """Open the figure, and tell the angles that it starts with."""

    def open_figure(**options):
        widget = FourierCircuit(
            CIRCUITS,
            alt="A curve and its spectrum.",
            coordinate=J,
            feature=K,
            z=dict.fromkeys(CIRCUITS, POINT),
        )
        return show(widget, **options), np.array(widget.weights)

    return open_figure


def curve(circuit, weights, count=128):
    """The feature through one period, by the library."""
    points = torch.tensor(POINT, dtype=torch.float64).repeat(count, 1)
    points[:, J] = torch.linspace(-math.pi, math.pi, count + 1, dtype=torch.float64)[:-1]
    return StateVectorSimulator(circuit)(points, torch.tensor(weights))[:, K].numpy()


def drawn(page, name="vq-curve"):
    """Heights of a drawn curve, in the units of its axis, which has -1 and 1 at its ends."""
    heights, low, high = page.locator(".vq-plots svg").first.evaluate(
        """(svg, name) => {
          const numbers = [...svg.querySelector(`path.${name}`).getAttribute("d")
            .matchAll(/[ML]([-.0-9]+) ([-.0-9]+)/g)].map((found) => +found[2]);
          const at = (said) => [...svg.querySelectorAll("text")]
            .find((text) => text.textContent === said).getAttribute("y") - 4;
          return [numbers, at("−1"), at("1")];
        }""",
        name,
    )
    return 2 * (np.array(heights) - low) / (high - low) - 1


def magnitudes(page):
    """All magnitudes as they are said, and those of the bars as they are drawn."""
    plot = page.locator(".vq-plots svg").nth(1)
    said = re.findall(r"\|c[₀-₉]+\| = ([\d.]+)", plot.get_attribute("aria-label"))
    bars = plot.locator(".vq-bar").evaluate_all("all => all.map((e) => +e.getAttribute('height'))")
    low, high = plot.evaluate(
        """svg => ["0", "0.4"].map((said) => [...svg.querySelectorAll("text")]
          .find((text) => text.textContent === said).getAttribute("y") - 4)"""
    )
    return [float(number) for number in said], 0.4 * np.array(bars) / (low - high)


def assert_shows(page, title, weights):
    """The curve, the bars and the readout are those of this circuit with these weights."""
    circuit = CIRCUITS[title]
    degree = 3 if circuit.reupload else 1
    expected = curve(circuit, weights)
    np.testing.assert_allclose(drawn(page), [*expected, expected[0]], atol=2e-3)
    spectrum = np.abs(np.fft.rfft(expected)) / len(expected)
    said, bars = magnitudes(page)
    np.testing.assert_allclose(said, spectrum[: degree + 3], atol=6e-4)
    np.testing.assert_allclose(bars, spectrum[: degree + 1], atol=1e-9)
    label = page.locator(".vq-plots svg").first.get_attribute("aria-label").replace("−", "-")
    low, high = map(float, re.search(r"from (-?[\d.]+) to (-?[\d.]+)\.$", label).groups())
    assert (low, high) == pytest.approx((expected.min(), expected.max()), abs=6e-4)
    assert page.locator(".vq-readout").inner_text() == (
        f"A Fourier series of degree R = {degree} at most, with 2R + 1 = {2 * degree + 1} "
        "coefficients. Largest coefficient beyond the degree: 0.000."
    )
    beyond = page.locator(".vq-plots svg").nth(1).locator("text").all_text_contents()[-3:]
    assert beyond == ["beyond", f"degree {degree}:", "nothing"]


def test_keys_turn_the_angles(opened):
    visit, (weights, _) = opened()
    page = visit.page
    assert_shows(page, "uploaded once", weights)
    for number, name in enumerate(["φ of the first RZ", "θ of RY", "ω of the last RZ"]):
        before = curve(CIRCUITS["uploaded once"], weights)
        slider = page.get_by_label(name)
        slider.focus()
        page.keyboard.press("Home")
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        weights[0, 0, number] = -0.7 * math.pi
        assert_shows(page, "uploaded once", weights)
        assert slider.get_attribute("aria-valuetext") == "−0.70 π = −2.20 rad"
        # Dashed: from before this slider moved, however often it did.
        np.testing.assert_allclose(drawn(page, "vq-before")[:-1], before, atol=2e-3)
    visit.assert_clean()


def test_every_gate_is_found_by_its_layer_and_qubit(opened):
    visit, (weights, _) = opened()
    page = visit.page
    layer, qubit = page.get_by_label("layer"), page.get_by_label("qubit")
    assert layer.locator("option").all_text_contents() == ["1 of U", "2 of U", "3 of U", "1 of V"]
    assert qubit.locator("option").all_text_contents() == ["0", "1", "2"]
    slider = page.get_by_label("θ of RY")
    for row in range(4):
        for column in range(3):
            layer.select_option(index=row)
            qubit.select_option(index=column)
            assert float(slider.input_value()) == pytest.approx(weights[row, column, 1] / math.pi)
            slider.fill("0.25")
            weights[row, column, 1] = math.pi / 4
            assert_shows(page, "uploaded once", weights)
    layer.focus()
    page.keyboard.press("ArrowUp")
    slider.fill("-1")
    weights[2, 2, 1] = -math.pi
    assert_shows(page, "uploaded once", weights)
    visit.assert_clean()


def test_a_slider_is_dragged(opened):
    page = opened()[0].page
    slider = page.get_by_label("θ of RY")
    box = slider.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    middle = drawn(page)
    assert float(slider.input_value()) == pytest.approx(0, abs=0.02)
    page.mouse.move(x + 0.3 * box["width"], y, steps=4)
    page.mouse.up()
    assert float(slider.input_value()) == pytest.approx(0.6, abs=0.06)
    assert np.abs(drawn(page) - middle).max() > 0.05
    # The next drag starts a new dashed curve.
    last = drawn(page)
    page.mouse.down()
    page.mouse.move(x, y)
    page.mouse.up()
    np.testing.assert_allclose(drawn(page, "vq-before"), last)


def test_each_circuit_keeps_its_angles(opened):
    visit, (once, thrice) = opened()
    page = visit.page
    page.get_by_label("φ of the first RZ").fill("0.5")
    once[0, 0, 0] = math.pi / 2
    page.get_by_label("uploaded once").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("uploaded 3 times").is_checked()
    assert page.locator(".vq-before").count() == 0  # a curve of the other circuit
    assert_shows(page, "uploaded 3 times", thrice)
    page.get_by_label("uploaded once").check()
    assert_shows(page, "uploaded once", once)
    visit.assert_clean()


def test_buttons_draw_all_angles_and_clear_them(opened):
    visit, (_, weights) = opened()
    page = visit.page
    page.get_by_label("uploaded 3 times").check()
    button = page.get_by_role("button", name="Random angles")
    for seed, key in ((1, "Enter"), (2, "Space")):
        button.focus()
        page.keyboard.press(key)
        uniform = mulberry32(seed)
        drawn_angles = [math.floor(200 * next(uniform) - 99.5) / 100 for _ in range(weights.size)]
        weights = math.pi * np.reshape(drawn_angles, weights.shape)
        assert_shows(page, "uploaded 3 times", weights)
    page.get_by_role("button", name="All angles zero").click()
    before = curve(CIRCUITS["uploaded 3 times"], weights)
    np.testing.assert_allclose(drawn(page, "vq-before")[:-1], before, atol=2e-3)
    assert_shows(page, "uploaded 3 times", 0 * weights)
    for slider in page.get_by_role("slider").all():
        assert slider.get_attribute("aria-valuetext") == "0.00 π = 0.00 rad"
    visit.assert_clean()


def test_texts_say_what_is_fixed(opened, show):
    page = opened()[0].page
    caption = page.locator(".vq-plots p").first
    assert caption.inner_text() == (
        "Feature ⟨Z₁⟩ while z₁ runs through one period. The other coordinates stay at 0.4, −0.8."
    )
    circuit = Circuit(1, embedding="RY", angle_scale=0.5)
    page = show(FourierCircuit({"one": circuit}, alt="A curve.", feature=1)).page
    assert page.locator(".vq-plots p").first.inner_text() == (
        "Feature ⟨X₀⟩ while z₀ runs through one period. The period is 2π/a, with a\xa0=\xa00.5."
    )
    assert page.get_by_role("radio").count() == 0
    assert "π/a" in page.locator(".vq-plots svg").first.locator("text").all_text_contents()


@pytest.mark.parametrize(("width", "scheme"), [(330, "light"), (330, "dark"), (1000, "dark")])
def test_it_stays_inside_and_accessible_while_it_is_used(opened, width, scheme):
    visit, _ = opened(width=width, scheme=scheme)
    page = visit.page
    page.get_by_label("uploaded 3 times").check()
    height = page.locator(".vq-fourier").bounding_box()["height"]
    page.get_by_label("θ of RY").fill("-0.98")
    page.get_by_role("button", name="Random angles").click()
    assert page.locator(".vq-fourier").bounding_box()["height"] == height  # nothing jumps
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Neither numbers nor names in the drawings touch each other.
    for plot in page.locator(".vq-plots svg").all():
        assert_texts_apart(plot)
    visit.assert_clean()
    visit.assert_accessible()


def test_letters_pressed_on_menus_and_buttons_stay_in_the_figure(opened):
    """JupyterLab deletes a cell where it hears D twice; Ctrl+S it shall hear."""
    page = opened()[0].page
    page.evaluate("window.heard = []; addEventListener('keydown', ({ key }) => heard.push(key))")
    for place in (page.get_by_label("layer"), page.get_by_role("button").first):
        place.focus()
        page.keyboard.press("d")
    page.keyboard.press("Control+s")
    assert page.evaluate("heard") == ["Control", "s"]
