"""Interactive figures on a page of their own, started as in the book: no built book is needed.

That they start, fit and are accessible on the pages of the book: test_pages.py.
"""

import re

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

import vqvae_lib as vq
from tests.browser.test_pages import switch
from vqvae_lib.course.widgets import (
    BetaSlider,
    BlochSphere,
    Compression,
    Embeddings,
    FourierCircuit,
    GaussianKL,
    HolePainter,
    LabelCurve,
    LatentPlane,
    LatentPlanes,
    QuantumPlane,
    TwoQubits,
)

DIGITS = vq.amplitude_states(vq.load_digits().x_train[:200])
IMAGES = torch.rand(4, 6, 64, generator=torch.Generator().manual_seed(0))


def plane(seed, **settings):
    torch.manual_seed(seed)
    model = vq.mlp_autoencoder(64, 16, 2, activation="silu")
    labels = torch.arange(60) % 10
    return LatentPlane(
        model.decoder, torch.randn(60, 2), labels, image_shape=(8, 8), alt="A plane.", **settings
    )


def hybrid():
    torch.manual_seed(0)
    model = vq.VQVAE(64, 16, 2, 2, entangler="ring", angle_scale=1.0, readout="ZX")
    labels = torch.arange(60) % 10
    return QuantumPlane(
        model, torch.randn(60, 2), labels, image_shape=(8, 8), alt="A plane and two qubits."
    )


def hole():
    torch.manual_seed(0)
    model = vq.VQVAE(64, 16, 4, 2)
    return HolePainter(model, IMAGES[0], range(6), alt="A digit with a hole, and its fill.")


def figures():
    """Each figure, by the name of its kind."""
    twice = vq.Circuit(2, embedding="RY", entangler="ring", readout="Z", reupload=True)
    return {
        "compression": Compression(
            DIGITS, DIGITS[:8], image_shape=(8, 8), alt="Digits and what is left of them."
        ),
        "bloch": BlochSphere(alt="A sphere with an arrow.", gates=["H", ("RZ", 40)]),
        "fourier": FourierCircuit({"twice": twice}, alt="A curve and its spectrum."),
        "two": TwoQubits(alt="A circuit of two qubits.", angles=(1.0, 0.3, -0.5, 0.2)),
        "kl": GaussianKL(mu=1.0, sigma=0.5, alt="Two bell curves and an area."),
        "beta": BetaSlider(
            IMAGES,
            [0.01, 0.1, 1, 10],
            {"KL (nats)": [30.0, 20.5, 9.25, 0.0], "active units": [8, 8, 5, 0]},
            image_shape=(8, 8),
            alt="A grid of digits and two curves.",
        ),
        "planes": LatentPlanes(
            {
                "autoencoder": plane(0),
                "VAE": plane(1, prior=True, output_activation="sigmoid"),
            },
            alt="Two planes with numerals.",
        ),
        "quantum": hybrid(),
        "hole": hole(),
        "labels": LabelCurve(
            [2, 5],
            {
                "alone": [[0.7, 0.72, 0.69, 0.7], [0.85, 0.86, 0.84, 0.85]],
                "moved": [[0.75, 0.76, 0.75, 0.73], [0.86, 0.88, 0.86, 0.87]],
            },
            baseline="alone",
            chosen=["alone", "moved"],
            alt="Two curves.",
        ),
        "embeddings": Embeddings(
            {"PCA": torch.randn(20, 2), "LDA": torch.randn(20, 2)},
            DIGITS[:20],
            torch.arange(20) % 10,
            image_shape=(8, 8),
            alt="Two maps.",
        ),
    }


KINDS = ["kl", "beta", "planes", "bloch", "two", "fourier", "compression", "quantum"]


@pytest.fixture
def opened(show):
    """Open a figure's page: opened("kl", width=390, scheme="dark")."""
    return lambda kind, **options: show(figures()[kind], **options)


WITHOUT_SLIDERS = ["hole", "labels", "embeddings"]


@pytest.mark.parametrize("kind", [*KINDS, *WITHOUT_SLIDERS])
@pytest.mark.parametrize("width", [360, 1000])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_starts_fits_and_is_accessible(opened, kind, width, scheme):
    visit = opened(kind, width=width, scheme=scheme)
    page = visit.page
    assert page.locator("[data-vq-ready=yes]").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(".vq-widget")
    assert box.evaluate("e => e.scrollWidth <= e.clientWidth")
    assert not re.search(r"\{\w+\}|undefined|NaN", box.inner_text())
    visit.assert_clean()
    visit.assert_accessible()


@pytest.mark.parametrize("kind", ["kl", "beta", "two", "fourier", "quantum"])
def test_drawings_follow_the_width_and_the_colours(opened, kind):
    page = opened(kind, width=1000).page
    drawing = page.locator(".vq-widget svg[role=img]").first
    look = "e => [e.getAttribute('viewBox'), e.innerHTML.match(/#[0-9a-f]{6}/g)[0]]"
    box, colour = drawing.evaluate(look)
    switch(page, "dark")
    assert drawing.evaluate(look)[1] != colour
    page.set_viewport_size({"width": 360, "height": 800})
    page.wait_for_function(
        "old => document.querySelector('.vq-widget svg[role=img]').getAttribute('viewBox') !== old",
        arg=box,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_the_sliders_stay_in_the_figure(opened, kind):
    """JupyterLab listens to the whole page and would take the arrow keys for itself."""
    page = opened(kind).page
    page.evaluate("window.heard = []; addEventListener('keydown', ({ key }) => heard.push(key))")
    slider = page.get_by_role("slider").first
    slider.focus()
    before = slider.input_value()
    page.keyboard.press("ArrowRight")
    assert slider.input_value() != before
    page.keyboard.press("s")
    assert page.evaluate("heard") == ["s"]


# Two Gaussians ------------------------------------------------------------------------------------


def numbers(page):
    """mu, sigma, KL(q‖p), KL(p‖q) and the area, as the figure says them."""
    text = page.locator(".vq-kl").inner_text().replace("−", "-")
    patterns = [
        r"N\((-?[\d.]+),\s([\d.]+)²\)",
        r"KL\(q‖p\) = (-?[\d.]+) nats",
        r"KL\(p‖q\) = (-?[\d.]+) nats",
        r"together (-?[\d.]+) nats",
    ]
    return [float(number) for p in patterns for number in re.search(p, text).groups()]


def divergences(mu, sigma):
    q, p = Normal(mu, sigma), Normal(0.0, 1.0)
    q, p = (Normal(g.loc.double(), g.scale.double()) for g in (q, p))
    return kl_divergence(q, p).item(), kl_divergence(p, q).item()


def assert_consistent(page):
    mu, sigma, forward, reverse, area = numbers(page)
    expected = divergences(mu, sigma)
    assert (forward, reverse) == pytest.approx(expected, abs=6e-4)
    chosen = page.locator(".vq-kl input[type=radio]:checked").get_attribute("value")
    assert area == pytest.approx(expected[chosen == "reverse"], abs=6e-4)
    return mu, sigma


def test_arrow_keys_move_and_widen_q(opened):
    visit = opened("kl")
    page = visit.page
    page.locator(".vq-densities").focus()
    assert assert_consistent(page) == (1.0, 0.5)
    for key, expected in (
        ("ArrowRight", (1.05, 0.5)),
        ("ArrowLeft", (1.0, 0.5)),
        ("ArrowUp", (1.0, 0.55)),
        ("ArrowDown", (1.0, 0.5)),
        ("Shift+ArrowLeft", (0.75, 0.5)),
        ("Shift+ArrowUp", (0.75, 0.75)),
    ):
        page.keyboard.press(key)
        assert assert_consistent(page) == pytest.approx(expected), key
    for _ in range(20):
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowUp")
    assert assert_consistent(page) == (3.0, 3.0)
    assert "beyond the ends" in page.locator(".vq-readout").inner_text()
    visit.assert_clean()


@pytest.mark.parametrize(("mark", "moved"), [("circle", 0), ("rect", 1)])
def test_marks_are_dragged(opened, mark, moved):
    page = opened("kl").page
    box = page.locator(f".vq-densities {mark}").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = assert_consistent(page)
    page.mouse.move(x, y)
    page.mouse.down()
    assert assert_consistent(page) == before  # nothing jumps when a mark is taken
    page.mouse.move(x + 40, y + 30, steps=4)
    page.mouse.up()
    after = assert_consistent(page)
    assert after[moved] > before[moved] + 0.3
    assert after[1 - moved] == before[1 - moved]
    # The mark went along.
    box = page.locator(f".vq-densities {mark}").bounding_box()
    assert box["x"] + box["width"] / 2 == pytest.approx(x + 40, abs=1)
    page.mouse.move(x, y)  # the button is up
    assert assert_consistent(page) == after


def test_sliders_and_direction(opened):
    page = opened("kl").page
    page.get_by_label("mean μ of q").focus()
    page.keyboard.press("Home")
    assert assert_consistent(page) == (-3.0, 0.5)
    page.get_by_label("standard deviation σ of q").focus()
    page.keyboard.press("End")
    assert assert_consistent(page) == (-3.0, 3.0)
    assert "area is KL(q‖p)" in page.locator(".vq-plots").inner_text()
    drawn = page.locator(".vq-plots svg").nth(1).inner_html()
    page.get_by_label("KL(q‖p)", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert_consistent(page)
    assert "area is KL(p‖q)" in page.locator(".vq-plots").inner_text()
    assert page.locator(".vq-plots svg").nth(1).inner_html() != drawn


def test_equal_gaussians_have_no_divergence(opened):
    page = opened("kl").page
    for label, value in (("mean μ of q", "0"), ("standard deviation σ of q", "1")):
        page.get_by_label(label).fill(value)
    assert numbers(page) == [0.0, 1.0, 0.0, 0.0, 0.0]


# The slider of beta -------------------------------------------------------------------------------


def tiles(page):
    """The six images of the grid, (6, 64), from the canvas's pixels: 3 columns, gaps of 1."""
    grid = page.locator(".vq-beta canvas").evaluate(
        """c => [c.height, c.width,
          Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data)]"""
    )
    height, width, data = grid
    red = np.array(data).reshape(height, width, 4)[..., 0]
    return [
        red[9 * row : 9 * row + 8, 9 * column : 9 * column + 8].reshape(64)
        for row in range(2)
        for column in range(3)
    ]


def test_slider_changes_the_images_and_the_terms(opened):
    visit = opened("beta")
    page = visit.page
    choice = page.get_by_role("slider")
    choice.focus()
    said = [
        "β = 0.01; KL (nats) 30; active units 8",
        "β = 0.1; KL (nats) 20.5; active units 8",
        "β = 1; KL (nats) 9.25; active units 5",
        "β = 10; KL (nats) 0; active units 0",
    ]
    for model, text in enumerate(said):
        assert page.locator(".vq-choice p").inner_text() == text
        assert choice.get_attribute("aria-valuetext") == text.split(";")[0]
        expected = 255 - (255 * IMAGES[model]).round().numpy()
        np.testing.assert_allclose(tiles(page), expected, atol=1)
        label = page.locator(".vq-terms svg").first.get_attribute("aria-label")
        assert label.startswith("KL (nats) against β")
        page.keyboard.press("ArrowRight")
    visit.assert_clean()


# Two planes ---------------------------------------------------------------------------------------


def chosen(page):
    """The points that the two planes say they show."""
    texts = page.locator(".vq-planes .vq-view p").all_text_contents()
    return [re.search(r"\((-?[\d.]+, -?[\d.]+)\)", text)[1] for text in texts]


def pictures(page):
    return page.locator(".vq-planes .vq-view canvas").evaluate_all(
        """all => all.map((c) =>
          c.getContext("2d").getImageData(0, 0, c.width, c.height).data.join())"""
    )


@pytest.mark.parametrize("moved", [0, 1])
def test_each_plane_has_its_own_point(opened, moved):
    visit = opened("planes")
    page = visit.page
    canvas = page.locator(".vq-planes .vq-map canvas").nth(moved)
    box = canvas.bounding_box()
    points, images = chosen(page), pictures(page)
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=3)
    page.mouse.up()
    for before, after in ((points, chosen(page)), (images, pictures(page))):
        assert before[moved] != after[moved]
        assert before[1 - moved] == after[1 - moved]
    points = chosen(page)
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    assert chosen(page)[moved] != points[moved]
    assert chosen(page)[1 - moved] == points[1 - moved]
    visit.assert_clean()


@pytest.mark.parametrize(("width", "side_by_side"), [(1000, True), (360, False)])
def test_planes_stand_side_by_side_where_there_is_room(opened, width, side_by_side):
    page = opened("planes", width=width).page
    first, second = (
        page.locator(".vq-planes .vq-map canvas").nth(index).bounding_box() for index in (0, 1)
    )
    assert (first["y"] == second["y"]) == side_by_side
    assert (first["x"] == second["x"]) != side_by_side
    for index, box in enumerate((first, second)):
        image = page.locator(".vq-planes .vq-view canvas").nth(index).bounding_box()
        assert image["y"] > box["y"] + box["height"]  # the decoded image lies below its map


def test_only_the_plane_with_a_prior_has_circles(opened):
    page = opened("planes").page
    captions = page.locator(".vq-planes .vq-map p").all_text_contents()
    assert ["Circles" in caption for caption in captions] == [False, True]
