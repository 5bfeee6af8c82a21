"""The Bloch sphere on a page of its own, driven by keyboard and mouse, against PennyLane."""

import re

import numpy as np
import pytest

from tests.course.test_bloch_sphere import bloch_of, seen_from, state_of
from vqvae_lib.course.widgets import BlochSphere


@pytest.fixture
def opened(show):
    """Open the figure with some gates."""

    def open_figure(gates=(), angle=90, **options):
        return show(BlochSphere(gates=gates, angle=angle, alt="A sphere, an arrow."), **options)

    return open_figure


def text_of(page):
    return page.locator(".vq-readout").inner_text().replace("−", "-").replace("\u00a0", " ")


def gates_of(page):
    """The gates that the figure names, as [name, degrees]."""
    start, *gates = text_of(page).split("\n")[0].split(" → ")
    assert start == "|0⟩"
    found = [re.fullmatch(r"(\w+)(?:\((-?[\d.]+)°\))?", gate).groups(default="0") for gate in gates]
    return [[name, float(degrees)] for name, degrees in found]


def numbers(page):
    """α, β, the Bloch vector and the two probabilities, as the figure says them."""
    text = text_of(page)
    pairs = re.findall(r"[αβ] = (-?[\d.]+) ([+-]) ([\d.]+)i", text)
    amplitudes = [complex(float(real), float(sign + size)) for real, sign, size in pairs]
    vector = [float(value) for value in re.findall(r"⟨[XYZ]⟩ = (-?[\d.]+)", text)]
    label = page.locator(".vq-panel svg").get_attribute("aria-label")
    probabilities = re.fullmatch(r"probability of 0 ([\d.]+), probability of 1 ([\d.]+)", label)
    return amplitudes, vector, [float(value) for value in probabilities.groups()]


def assert_consistent(page):
    """The numbers and the drawn bars are those of the gates; give the gates' names."""
    gates = gates_of(page)
    state = state_of(gates)
    amplitudes, vector, probabilities = numbers(page)
    np.testing.assert_allclose(amplitudes, state, atol=8e-4)
    np.testing.assert_allclose(vector, bloch_of(state), atol=6e-4)
    np.testing.assert_allclose(probabilities, np.abs(state) ** 2, atol=6e-4)
    widths = page.locator(".vq-panel svg rect").evaluate_all(
        "all => all.map((box) => +box.getAttribute('width'))"
    )
    np.testing.assert_allclose(np.divide(widths[::2], widths[1::2]), np.abs(state) ** 2, atol=1e-6)
    return "".join(name[-1] for name, _ in gates)


def place_of_tip(page):
    """Where the arrow ends, to the right and upwards, in units of the sphere's radius."""
    return page.locator(".vq-sphere").evaluate(
        """svg => {
          const ball = svg.querySelector("circle");
          const [cx, cy, r] = ["cx", "cy", "r"].map((name) => +ball.getAttribute(name));
          const tip = svg.querySelector(".vq-tip");
          const points = (tip.getAttribute("d") ?? "").matchAll(/[ML]([-.0-9]+) ([-.0-9]+)/g);
          const [x, y] = tip.tagName === "circle"
            ? ["cx", "cy"].map((name) => +tip.getAttribute(name))
            : [...points][1].slice(1).map(Number);
          return [(x - cx) / r, (cy - y) / r];
        }"""
    )


def assert_seen_from(page, azimuth, elevation):
    expected = seen_from(azimuth, elevation) @ bloch_of(state_of(gates_of(page)))
    np.testing.assert_allclose(place_of_tip(page), expected[:2], atol=2e-3)


def test_buttons_turn_the_arrow(opened):
    visit = opened()
    page = visit.page
    assert assert_consistent(page) == ""
    assert "The qubit starts in |0⟩." in text_of(page)
    for name in ("H", "S", "T", "X", "RY(90°)", "Y", "RX(90°)", "Z", "RZ(90°)"):
        page.get_by_role("button", name=name, exact=True).click()
        assert_consistent(page)
        assert_seen_from(page, 32, 18)
    assert assert_consistent(page) == "HSTXYYXZZ"
    assert "RZ: a turn by 90° about the z axis." in text_of(page)
    visit.assert_clean()


def test_keyboard_presses_undoes_and_resets(opened):
    visit = opened()
    page = visit.page
    page.get_by_role("button", name="H", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert assert_consistent(page) == "HX"
    assert "The arrow lies on this axis and stays." in text_of(page)
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    assert assert_consistent(page) == "H"
    assert "halfway between x and z" in text_of(page)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # nothing is left to undo
    assert assert_consistent(page) == ""
    page.get_by_role("button", name="S", exact=True).press("Enter")
    page.get_by_role("button", name="Reset").press("Enter")
    assert assert_consistent(page) == ""
    visit.assert_clean()


def test_slider_sets_the_angle_of_the_next_gates(opened):
    page = opened([("H", 0)], angle=-65).page
    slider = page.get_by_role("slider")
    assert slider.get_attribute("aria-valuetext").replace("\u00a0", " ") == "−65° ≈ −0.361π"
    before = text_of(page)
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert text_of(page) == before  # no gate has been pressed yet
    page.get_by_role("button", name="RZ(−60°)").click()
    page.keyboard.press("Home")  # not the slider's
    slider.focus()
    page.keyboard.press("Home")
    page.get_by_role("button", name="RX(−180°)").click()
    slider.focus()
    page.keyboard.press("End")
    page.get_by_role("button", name="RY(180°)").click()
    assert assert_consistent(page) == "HZXY"
    assert gates_of(page)[1:] == [["RZ", -60], ["RX", -180], ["RY", 180]]


def test_no_more_than_24_gates(opened):
    page = opened(["H", "T"] * 12).page
    full = assert_consistent(page)
    page.get_by_role("button", name="X", exact=True).click()
    assert assert_consistent(page) == full
    assert "24 gates are the limit here" in text_of(page)
    page.get_by_role("button", name="Undo").click()
    assert "limit" not in text_of(page)
    page.get_by_role("button", name="X", exact=True).click()
    assert assert_consistent(page) == full[:-1] + "X"


@pytest.mark.parametrize("gates", [[], ["H", ("RZ", 65), ("RY", -50)], ["H", "S", "X"]])
def test_sphere_is_turned_by_keys_and_dragged(opened, gates):
    visit = opened(gates)
    page = visit.page
    sphere = page.locator(".vq-sphere")
    sphere.focus()
    assert_seen_from(page, 32, 18)
    said = text_of(page)
    for key, view in (
        ("ArrowRight", (37, 18)),
        ("Shift+ArrowLeft", (22, 18)),
        ("ArrowUp", (22, 23)),
        ("Shift+ArrowDown", (22, 8)),
    ):
        page.keyboard.press(key)
        assert_seen_from(page, *view)
    box = sphere.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    assert_seen_from(page, 22, 8)  # nothing jumps when the sphere is taken
    page.mouse.move(x - 40, y + 30, steps=4)
    page.mouse.up()
    assert_seen_from(page, 42, 23)
    page.mouse.move(x, y)  # the button is up
    assert_seen_from(page, 42, 23)
    for _ in range(9):
        page.keyboard.press("Shift+ArrowUp")
    assert_seen_from(page, 42, 90)  # from the pole, and no further
    assert text_of(page) == said  # the state is the same from every side
    visit.assert_clean()


def test_the_back_is_dashed_and_the_arrow_open(opened):
    page = opened(["H"]).page  # the arrow points along x
    tip = page.locator(".vq-sphere .vq-tip")
    assert tip.get_attribute("fill").startswith("#")
    shaft = page.locator(".vq-sphere path[stroke-width='3'][stroke-linejoin]")
    assert shaft.get_attribute("stroke-dasharray") is None
    page.get_by_role("button", name="Z", exact=True).click()
    assert tip.get_attribute("fill").startswith("var(--vq-paper")
    assert shaft.get_attribute("stroke-dasharray")


def assert_texts_apart(page, drawing):
    """The drawing's texts stand inside the figure and cover no other; give their number."""
    boxes = drawing.locator("text").evaluate_all(
        """texts => texts.map((text) => text.getBoundingClientRect())
          .map(({ left, top, right, bottom }) => [left, top, right, bottom])"""
    )
    whole = page.locator(".vq-widget").bounding_box()
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert whole["x"] <= left
        assert right <= whole["x"] + whole["width"]
        for other in boxes[:i]:
            across = min(right, other[2]) - max(left, other[0])
            down = min(bottom, other[3]) - max(top, other[1])
            assert min(across, down) < 3, (boxes[i], other)  # letters are lower than their boxes
    return len(boxes)


@pytest.mark.parametrize("width", [330, 1000])
def test_it_fits_and_its_names_stand_apart(opened, width):
    page = opened(["H", ("RX", -122.5)] * 12, angle=-175, width=width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sphere = page.locator(".vq-sphere")
    sphere.focus()
    # Once around at elevations of 18° and 3°, where opposite ends meet, then over the pole.
    once = ["Shift+ArrowRight"] * 24
    for key in [*once, "Shift+ArrowDown", *once, *["Shift+ArrowUp"] * 6]:
        page.keyboard.press(key)
        assert assert_texts_apart(page, sphere) >= 3
