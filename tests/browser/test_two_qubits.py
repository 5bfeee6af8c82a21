"""The circuit of two qubits on a page of its own, against PennyLane."""

import math
import re

import numpy as np
import pytest

from tests.browser.test_bloch_sphere import assert_texts_apart
from tests.course.test_two_qubits import circuit, entropy_of
from vqvae_lib.course.widgets import TwoQubits


@pytest.fixture
def opened(show):
    """Open the figure with some angles."""

    def open_figure(angles=(math.pi / 2, 0, 0, 0), entangler="CNOT", seed=0, **options):
        figure = TwoQubits(angles=angles, entangler=entangler, seed=seed, alt="A circuit, bars.")
        return show(figure, **options)

    return open_figure


def plain(text):
    return text.replace("−", "-").replace("\u00a0", " ")


def circuit_of(page):
    """Angles in radians and the entangler, as the controls show them."""
    degrees = [float(slider.input_value()) for slider in page.get_by_role("slider").all()]
    return np.radians(degrees), page.locator("input[type=radio]:checked").get_attribute("value")


def bars(page, index):
    """The numbers that a plot says, and what its filled bars measure in units of its axis."""
    svg = page.locator(".vq-two svg[role=img]").nth(index)
    said = re.findall(r"\|\d\d⟩ (-?[\d.]+)", plain(svg.get_attribute("aria-label")))
    boxes, scale = svg.evaluate(
        """svg => {
          const number = (node, name) => +node.getAttribute(name);
          const at = (said) => number([...svg.querySelectorAll("text")]
            .find((text) => text.textContent === said), "x");
          const boxes = [...svg.querySelectorAll("rect:not([fill=none])")]
            .map((box) => [number(box, "x"), number(box, "width")]);
          return [boxes, [at("0"), at("1")]];
        }"""
    )
    zero, one = scale
    ends = [x if x < zero - 1e-3 else x + width for x, width in boxes]
    return [float(number) for number in said], (np.array(ends) - zero) / (one - zero)


def assert_consistent(page):
    """Every number and bar is that of the circuit; give its state."""
    state, *means = circuit(*circuit_of(page))
    state = np.array(state)
    z0, z1, both = map(float, means)
    for index, values in ((1, state.real), (2, state.real**2)):
        said, drawn = bars(page, index)
        np.testing.assert_allclose(said, values, atol=6e-4)
        np.testing.assert_allclose(drawn, values, atol=1e-4)
    text = plain(page.locator(".vq-readout").inner_text())
    one0, mean0, one1, mean1 = (
        float(number) for number in re.findall(r"(?:P\(1\)|⟨Z[₀₁]⟩) = (-?[\d.]+)", text)[:4]
    )
    assert (one0, one1) == pytest.approx(((1 - z0) / 2, (1 - z1) / 2), abs=6e-4)
    assert (mean0, mean1) == pytest.approx((z0, z1), abs=6e-4)
    for pattern, value in (
        (r"together: ⟨Z₀Z₁⟩ = (-?[\d.]+)", both),
        (r"⟨Z₀Z₁⟩ - ⟨Z₀⟩⟨Z₁⟩ = (-?[\d.]+)", both - z0 * z1),
        (r"Entanglement entropy: ([\d.]+) bits", entropy_of(state)),
    ):
        assert float(re.search(pattern, text)[1]) == pytest.approx(value, abs=6e-4)
    full, whole = page.locator(".vq-readout rect").evaluate_all(
        "all => all.map((box) => +box.getAttribute('width'))"
    )
    assert full / whole == pytest.approx(entropy_of(state), abs=1e-6)
    said = "is a product" if entropy_of(state) < 1e-9 else "is entangled"
    assert f"The state {said}" in text
    return state.real


def test_it_begins_as_told_and_sliders_turn_it(opened):
    visit = opened((math.pi / 3, -math.pi / 2, 0, math.pi), "CZ")
    page = visit.page
    assert_consistent(page)
    angles, entangler = circuit_of(page)
    assert entangler == "CZ"
    np.testing.assert_allclose(angles, np.radians([60, -90, 0, 180]))
    for index, slider in enumerate(page.get_by_role("slider").all()):
        slider.focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert_consistent(page)
        angles[index] -= math.radians(6)
        np.testing.assert_allclose(circuit_of(page)[0], angles)
    page.get_by_label("t₁").focus()
    page.keyboard.press("Home")
    assert_consistent(page)
    assert page.get_by_label("t₁").get_attribute("aria-valuetext") == "−180° = −π"
    visit.assert_clean()


def test_entanglers_are_chosen_and_drawn(opened):
    visit = opened((math.pi / 2, math.pi / 3, 0.0, math.pi / 2))
    page = visit.page
    drawing = page.locator(".vq-two svg").first
    page.get_by_role("radio", name="CNOT").focus()
    seen = {}
    for key, name, does in (
        ("ArrowRight", "CZ", "changes the sign"),
        ("ArrowRight", "none", "do not touch"),
        ("ArrowRight", "CNOT", "flips qubit 1 where qubit 0 is 1"),
    ):
        page.keyboard.press(key)
        assert circuit_of(page)[1] == name
        assert_consistent(page)
        assert does in page.locator("fieldset").inner_text()
        label = drawing.get_attribute("aria-label")
        assert f"Gate between them: {name}." in label
        assert "passes RY by 90°; qubit 1 starts in |0⟩ and passes RY by 60°" in label
        seen[name] = drawing.locator("circle").count()
    assert seen == {"CZ": 2, "none": 0, "CNOT": 1}  # and a crossed ring, which is a path
    visit.assert_clean()


def test_examples(opened):
    page = opened((0.0, 0.0, 0.0, 0.0)).page
    half = math.sqrt(0.5)
    for name, expected in (
        ("Bell state", [half, 0, 0, half]),
        ("anticorrelated", [0, half, half, 0]),
    ):
        page.get_by_role("button", name=name).press("Enter")
        np.testing.assert_allclose(assert_consistent(page), expected, atol=1e-12)
    page.get_by_role("button", name="partly entangled").click()
    assert 0.5 < entropy_of(assert_consistent(page)) < 0.9
    page.get_by_role("button", name="product").click()
    assert entropy_of(assert_consistent(page)) < 1e-9
    assert circuit_of(page)[1] == "none"


def counts(page):
    """Seed and counts of the last measurements, as the figure says and draws them; or None."""
    said = page.locator("p[aria-live]").inner_text()
    drawing = page.locator(".vq-two svg[role=img]").nth(2)
    thin = drawing.locator("rect[fill=none]").count()
    if not said:
        assert thin == 0
        return None
    assert thin == 4
    written = [int(number) for number in re.findall(r"⟩ (\d+)", said)]
    texts = drawing.locator("text").all_text_contents()
    assert [int(text) for text in texts if text.isdigit()][-4:] == written  # behind the axis's 0, 1
    return int(re.search(r"seed (\d+)", said)[1]), written


def test_measurements_are_counted_and_forgotten(opened):
    visit = opened(seed=4)
    page = visit.page
    assert counts(page) is None
    button = page.get_by_role("button", name="Measure 100 times")
    button.focus()
    found = []
    for seed in (4, 5, 6):
        page.keyboard.press("Enter")
        said, drawn = counts(page)
        assert said == seed
        assert sum(drawn) == 100
        assert drawn[1] == drawn[2] == 0  # a Bell state: the two agree
        assert 25 < drawn[0] < 75
        found.append(drawn)
        assert_consistent(page)
    assert len(set(map(tuple, found))) > 1
    page.get_by_label("t₀").press("ArrowLeft")
    assert counts(page) is None
    button.click()
    assert counts(page)[0] == 7
    page.get_by_role("radio", name="CZ").click()
    assert counts(page) is None
    visit.assert_clean()


def test_shares_are_drawn_to_scale(opened):
    page = opened((math.pi / 3, 0.0, 0.0, 0.0)).page
    page.get_by_role("button", name="Measure 100 times").click()
    _, drawn = counts(page)
    widths = (
        page.locator(".vq-two svg[role=img]")
        .nth(2)
        .evaluate(
            """svg => {
          const at = (said) => +[...svg.querySelectorAll("text")]
            .find((text) => text.textContent === said && text.getAttribute("y") > 110)
            .getAttribute("x");
          return [...svg.querySelectorAll("rect[fill=none]")]
            .map((box) => box.getAttribute("width") / (at("1") - at("0")));
        }"""
        )
    )
    np.testing.assert_allclose(widths, np.array(drawn) / 100, atol=1e-9)


@pytest.mark.parametrize("width", [330, 360, 1000])
def test_texts_of_the_drawings_stand_apart(opened, width):
    page = opened(np.radians([-177, -174, -171, -168]), "CNOT", width=width).page
    page.get_by_role("button", name="Measure 100 times").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for drawing in page.locator(".vq-two svg").all():
        assert_texts_apart(page, drawing)
    # The angles fit into their boxes.
    circuit_drawing = page.locator(".vq-two svg").first
    angles = [text.bounding_box() for text in circuit_drawing.locator("text", has_text="°").all()]
    boxes = [box.bounding_box() for box in circuit_drawing.locator("rect").all()[:4]]
    for angle, box in zip(angles, boxes, strict=True):
        assert box["x"] < angle["x"]
        assert angle["x"] + angle["width"] < box["x"] + box["width"]
