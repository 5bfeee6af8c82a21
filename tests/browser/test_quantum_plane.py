"""The plane of a hybrid model on a page of its own, moved by a reader, against Python's numbers."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from tests.browser.conftest import assert_texts_apart
from tests.course.test_quantum_plane import drawn, figure
from vqvae_lib.quantum.statevector import StateVectorSimulator, bloch_vectors

MODELS = {
    "two": drawn(seed=1, entangler="ring", readout="ZX", angle_scale=1.5),
    "one": drawn(seed=2, n_qubits=1),
}
NUMBER = r"-?\d\.\d\d"


@pytest.fixture
def opened(show):
    """Open the figure of a model: opened("one", width=390)."""
    return lambda model="two", **options: show(figure(MODELS[model], prior=False), **options)


def said(page):
    return page.locator(".vq-view p").text_content().replace("−", "-")


def chosen(page):
    """The point that the figure says it shows."""
    return [
        float(value) for value in re.search(rf"\(({NUMBER}), ({NUMBER})\)", said(page)).groups()
    ]


def numbers(text):
    return [float(value) for value in re.findall(NUMBER, text)]


def assert_shows(page, model="two"):
    """Texts, arrows, bars and pixels are those of the library at the chosen point; give it."""
    model = MODELS[model]
    layer, readout = model.quantum_layer, model.circuit.readout
    point = chosen(page)
    z = torch.tensor([point], dtype=torch.float64)
    with torch.no_grad():
        state = StateVectorSimulator(layer.circuit).state(z, layer.weights)
        vectors = bloch_vectors(state)[0].numpy()  # (n, 3)
        features = layer(z)[0].numpy()  # (m,)
        image = model.likelihood.mean(model.decode(z))[0].numpy()  # (D,)
    lengths = np.linalg.norm(vectors, axis=1)

    heard, length_text = re.search(
        r"features (.*); lengths of .* vectors (.*)$", said(page)
    ).groups()
    names = [f"⟨{o}{'₀₁'[q]}⟩" for q in range(len(vectors)) for o in readout]
    assert re.findall(r"⟨\w.⟩", heard) == names
    np.testing.assert_allclose(numbers(heard), features, atol=5.1e-3)
    np.testing.assert_allclose(numbers(length_text), lengths, atol=5.1e-3)

    for qubit, ball in enumerate(page.locator(".vq-balls svg").all()):
        own = features[len(readout) * qubit :][: len(readout)]
        label = ball.get_attribute("aria-label").replace("−", "-")
        assert label.startswith(f"qubit {qubit}: Bloch vector (")
        np.testing.assert_allclose(
            numbers(label), [*vectors[qubit], lengths[qubit], *own], atol=5.1e-3
        )
        texts = [text.replace("−", "-") for text in ball.locator("text").all_text_contents()]
        caption = next(text for text in texts if text.startswith("qubit"))
        assert caption == f"qubit {qubit}: |r| = {numbers(length_text)[qubit]:.2f}"
        written = [float(text) for text in texts if re.fullmatch(NUMBER, text)]
        np.testing.assert_allclose(written, own, atol=5.1e-3)
        radius, shaded, tip, bars = drawing(ball)
        assert shaded / radius == pytest.approx(lengths[qubit], abs=1e-6)
        np.testing.assert_allclose(tip, seen(vectors[qubit]), atol=2e-3)
        np.testing.assert_allclose(bars, own, atol=1e-6)

    pixels = page.locator(".vq-view canvas").evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    )
    np.testing.assert_allclose(pixels[::4], 255 * (1 - image.clip(0, 1)), atol=0.501)
    return point


def drawing(ball):
    """The ball's radius, the shaded one's, where the arrow ends, and the bars' values."""
    return ball.evaluate(
        """svg => {
          const number = (node, name) => +node.getAttribute(name);
          const [whole, shaded] = svg.querySelectorAll("circle");
          const [cx, cy, r] = ["cx", "cy", "r"].map((name) => number(whole, name));
          const tip = svg.querySelector(".vq-tip");
          const points = (tip.getAttribute("d") ?? "").matchAll(/[ML]([-.0-9]+) ([-.0-9]+)/g);
          const [x, y] = tip.tagName === "circle"
            ? ["cx", "cy"].map((name) => number(tip, name)) : [...points][1].slice(1).map(Number);
          const mark = (said) => number([...svg.querySelectorAll("text")]
            .find((text) => text.textContent === said), "x");
          const unit = mark("1") - mark("0");
          const bars = [...svg.querySelectorAll(".vq-bar")].map((bar) =>
            (number(bar, "x") < mark("0") - 1e-9 ? -1 : 1) * number(bar, "width") / unit);
          return [r, number(shaded, "r"), [(x - cx) / r, (cy - y) / r], bars];
        }"""
    )


def seen(vector):
    """Where the tip of a vector is seen, to the right and upwards."""
    a, e = np.radians([32, 18])
    near = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0])
    return np.stack([right, np.cross(near, right)]) @ vector


@pytest.mark.parametrize("model", ["two", "one"])
def test_dragging_moves_the_point_and_all_that_follows(opened, model):
    visit = opened(model)
    page = visit.page
    box = page.locator(".vq-map canvas").bounding_box()
    before = assert_shows(page, model)
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    first = assert_shows(page, model)
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.6 * box["height"], steps=4)
    second = assert_shows(page, model)
    page.mouse.up()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    assert assert_shows(page, model) == second  # the button is up
    assert first != before
    assert second[0] > first[0]  # to the right
    assert second[1] < first[1]  # and down
    visit.assert_clean()


def test_arrow_keys_move_the_point(opened):
    visit = opened()
    page = visit.page
    page.locator(".vq-map canvas").focus()
    for key, axis, sign in (
        ("ArrowRight", 0, 1), ("Shift+ArrowLeft", 0, -1), ("ArrowUp", 1, 1),
        ("Shift+ArrowDown", 1, -1),
    ):  # fmt: skip
        before = chosen(page)
        page.keyboard.press(key)
        after = assert_shows(page)
        assert sign * (after[axis] - before[axis]) > (0.2 if "Shift" in key else 0.02), key
        assert after[1 - axis] == before[1 - axis], key
    for _ in range(20):
        page.keyboard.press("Shift+ArrowUp")
    edge = assert_shows(page)
    page.keyboard.press("Shift+ArrowUp")
    assert chosen(page) == edge
    visit.assert_clean()


def test_sliders_move_the_point(opened):
    page = opened().page
    for axis, label in enumerate(["first code", "second code"]):
        slider = page.get_by_label(label)
        slider.focus()
        before = chosen(page)
        page.keyboard.press("ArrowRight")
        after = assert_shows(page)
        assert after[axis] == pytest.approx(before[axis] + 0.01, abs=0.011)
        assert after[1 - axis] == before[1 - axis]
        page.keyboard.press("End")
        assert assert_shows(page)[axis] > after[axis] + 0.5


def test_touch_moves_the_point(opened):
    page = opened(width=390, has_touch=True).page
    before, box = chosen(page), page.locator(".vq-map canvas").bounding_box()
    heard = page.locator("p[aria-live]")
    text = heard.text_content()
    page.touchscreen.tap(box["x"] + 0.2 * box["width"], box["y"] + 0.8 * box["height"])
    expect(heard).not_to_have_text(text)
    after = assert_shows(page)
    assert after[0] < before[0]
    assert after[1] < before[1]


def test_texts_say_what_the_model_does(opened, show):
    page = opened().page
    notes = page.locator(".vq-notes p").all_inner_texts()
    assert "the qubits are entangled" in notes[0]
    scale = MODELS["two"].bottleneck.scale.tolist()
    assert [float(v) for v in re.findall(r"-?\d\.\d\d", notes[1].replace("−", "-"))] == (
        pytest.approx(scale, abs=5.1e-3)
    )
    assert re.findall(r"⟨\w.⟩", notes[1]) == ["⟨Z₀⟩", "⟨X₀⟩", "⟨Z₁⟩", "⟨X₁⟩"]
    assert "no other qubit" in opened("one").page.locator(".vq-notes p").first.inner_text()
    plain = show(figure(drawn(scale_features=False))).page
    assert plain.locator(".vq-notes p").count() == 1


@pytest.mark.parametrize("model", ["two", "one"])
@pytest.mark.parametrize(
    ("width", "scheme"), [(330, "light"), (390, "dark"), (390, "light"), (1000, "dark")]
)
def test_it_fits_and_is_accessible_while_it_is_moved(opened, model, width, scheme):
    visit = opened(model, width=width, scheme=scheme)
    page = visit.page
    page.locator(".vq-map canvas").focus()
    for key in ["ArrowRight", *["Shift+ArrowUp", "Shift+ArrowLeft"] * 4]:
        page.keyboard.press(key)
        assert_shows(page, model)
        for ball in page.locator(".vq-balls svg").all():
            assert_texts_apart(ball)
            assert_texts_inside(ball)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".vq-widget").evaluate("e => e.scrollWidth <= e.clientWidth")
    visit.assert_clean()
    visit.assert_accessible()


def assert_texts_inside(ball):
    """No text is cut off, or stands in the ball beside."""
    sticking_out = ball.evaluate(
        """svg => {
          const whole = svg.getBoundingClientRect();
          return [...svg.querySelectorAll("text")].filter((text) => {
            const box = text.getBoundingClientRect();
            return box.left < whole.left - 1 || box.right > whole.right + 1
              || box.bottom > whole.bottom + 1;
          }).map((text) => text.textContent);
        }"""
    )
    assert sticking_out == []


def places(page):
    return [
        page.locator(f".vq-quantum {name}").bounding_box()
        for name in (".vq-map", ".vq-qubits", ".vq-view", ".vq-move", ".vq-notes")
    ]


def test_a_phone_shows_the_point_the_qubits_and_the_image_first(opened):
    boxes = places(opened(width=390).page)
    assert all(box["x"] == boxes[0]["x"] for box in boxes)
    for above, below in pairwise(boxes):
        assert above["y"] + above["height"] <= below["y"]
    moved, qubits, image, *_ = places(opened(width=1000).page)
    assert qubits["y"] == moved["y"]
    assert qubits["x"] > moved["x"] + moved["width"]
    assert image["x"] == qubits["x"]
