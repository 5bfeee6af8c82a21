"""The figure of compression on a page of its own, against NumPy."""

import re

import numpy as np
import pytest

from tests.browser.conftest import assert_texts_apart
from tests.course.test_compression import SHOWN, STATES, figure, rho, unpacked

TRAINED = {2: [(1, 0.7)], 3: [(12, 0.822), (8, 0.815), (4, 0.75)], 6: [(100, 1.0)]}
EIGENVALUES = np.linalg.eigvalsh(rho())[::-1]


@pytest.fixture
def opened(show):
    """Open the figure with eight digits."""

    def open_figure(kept=3, trained=TRAINED, **options):
        return show(figure(kept=kept, trained=trained), **options)

    return open_figure


def rebuilt(kept):
    """The digits that are shown, on the eigenvectors that are kept, all as the page has them."""
    widget = figure()
    first = unpacked(widget.eigenvectors)[: 2**kept]
    return unpacked(widget.images) @ first.T @ first


def reached(kept):
    return "".join(
        f" {layers} layer{'s' * (layers > 1)} reached {p:.3f}."
        for layers, p in TRAINED.get(kept, [])
    )


def pixels(page, place):
    """What is painted, from 0 (paper) to 1 (ink), of the first or second image of each pair."""
    found = page.locator(".vq-images > div").evaluate_all(
        """(cells, place) => cells.map((cell) => {
          const canvas = cell.querySelectorAll("canvas")[place];
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return [...data];
        })""",
        place,
    )
    colours = np.reshape(found, (len(found), -1, 4))
    assert (colours[:, :, :3] == colours[:, :, :1]).all()
    assert (colours[:, :, 3] == 255).all()
    return 1 - colours[:, :, 0] / 255


def heights(plot, selector, low, high):
    """Places [x, y] of a plot's marks, y from 0 at the axis' label `low` to 1 at `high`."""
    boxes, ends = plot.evaluate(
        """(svg, [selector, ...said]) => {
          const number = (node, name) => +node.getAttribute(name);
          const boxes = [...svg.querySelectorAll(selector)].map((mark) => mark.getBBox())
            .map(({ x, y, width, height }) => [x + width / 2, y, y + height]);
          return [boxes, said.map((said) => [...svg.querySelectorAll("text")]
            .find((text) => text.textContent === said).getAttribute("y") - 4)];
        }""",
        [selector, low, high],
    )
    x, top, bottom = np.reshape(boxes, (-1, 3)).T
    scaled = [(y - ends[0]) / (ends[1] - ends[0]) for y in (top, bottom)]
    return x, *scaled


def assert_shows(page, kept):
    """Texts, pixels and both plots are those of this number of qubits."""
    count, best = 2**kept, EIGENVALUES[: 2**kept].sum()
    assert page.locator("p[aria-live]").inner_text() == (
        f"{kept} of 6 qubits kept, {6 - kept} trash: {count} of 64 dimensions; no circuit can do "
        f"better than {best:.3f}.{reached(kept)}"
    )
    slider = page.get_by_role("slider")
    assert slider.input_value() == str(kept)
    assert slider.get_attribute("aria-valuetext") == f"{kept} of 6 qubits kept"

    brightest = SHOWN.half().double().amax(1, keepdim=True).numpy()
    np.testing.assert_allclose(pixels(page, 0), SHOWN.numpy() / brightest, atol=3e-3)
    left = rebuilt(kept)
    np.testing.assert_allclose(pixels(page, 1), (left / brightest).clip(0, 1), atol=0.51 / 255)
    numbers = page.locator(".vq-images p").all_inner_texts()
    assert all(re.fullmatch(r"[01]\.\d\d", number) for number in numbers)
    probabilities = (left**2).sum(1)
    np.testing.assert_allclose([float(number) for number in numbers], probabilities, atol=0.00501)
    label = page.locator(".vq-images").get_attribute("aria-label")
    assert label.startswith(f"8 images, and what is left of each with {kept} of 6 qubits.")
    assert label.endswith(f" {', '.join(numbers)}.")

    curve, bars = page.locator(".vq-compression svg[role=img]").all()
    bounds = [EIGENVALUES[: 2**k].sum() for k in range(7)]
    x, top, bottom = heights(curve, "circle:not([fill=none])", "0.6", "1")
    np.testing.assert_allclose((top + bottom) / 2, (np.array(bounds) - 0.6) / 0.4, atol=1e-3)
    ring, top, bottom = heights(curve, "circle[fill=none]", "0.6", "1")
    assert ring == pytest.approx(x[kept])
    assert (top + bottom) / 2 == pytest.approx((best - 0.6) / 0.4, abs=1e-3)

    drawn = EIGENVALUES[EIGENVALUES >= 1e-6]
    for name, values in ((".vq-kept", drawn[:count]), (".vq-lost", drawn[count:])):
        _, top, bottom = heights(bars, name, "10⁻⁶", "10⁻¹")
        np.testing.assert_allclose(top, (np.log10(values) + 6) / 5, atol=5e-3)
        np.testing.assert_allclose(bottom, 0, atol=5e-3)
    keys = page.locator(".vq-bars p").all_inner_texts()
    assert keys[1:] == [
        f"{count} kept, together {best:.3f}",
        f"{64 - count} lost, together {max(0, 1 - best):.3f}",
        f"no bar: {(EIGENVALUES < 1e-6).sum()} below 10⁻⁶",
    ]


def test_keys_drive_the_slider(opened):
    visit = opened(kept=4)
    page = visit.page
    assert_shows(page, 4)
    page.get_by_role("slider").focus()
    for key, kept in (("Home", 0), *(("ArrowRight", k) for k in range(1, 7)), ("ArrowLeft", 5)):
        page.keyboard.press(key)
        assert_shows(page, kept)
    visit.assert_clean()


def test_trained_circuits_stand_at_their_probability(opened):
    page = opened().page
    curve = page.locator(".vq-bound svg[role=img]")
    ks, _, _ = heights(curve, "circle:not([fill=none])", "0.6", "1")
    x, top, bottom = heights(curve, ".vq-trained", "0.6", "1")
    expected = [(k, p) for k, pairs in TRAINED.items() for _, p in pairs]
    np.testing.assert_allclose(x, [ks[k] for k, _ in expected])
    np.testing.assert_allclose(0.6 + 0.2 * (top + bottom), [p for _, p in expected], atol=1e-3)
    said = curve.locator("text").all_text_contents()
    assert said[-5:] == ["1", "12", "8", "4", "100"]
    label = curve.get_attribute("aria-label")
    assert f"k = 2: at most {EIGENVALUES[:4].sum():.3f}. 1 layer reached 0.700." in label
    assert f"k = 3: at most {EIGENVALUES[:8].sum():.3f}.{reached(3)}" in label
    assert "trained, with number of layers" in page.locator(".vq-bound").inner_text()


def test_without_trained_circuits_none_are_mentioned(opened):
    visit = opened(trained=None)
    assert visit.page.locator(".vq-trained").count() == 0
    text = visit.page.locator(".vq-compression").inner_text()
    assert "trained" not in text
    assert "reached" not in text
    visit.assert_clean()


def test_the_best_circuit_does_what_the_curve_promises(show):
    """Shown images of the data set alone: the mean of their numbers is the bound."""
    page = show(figure(STATES[:12], STATES[:12], kept=2, trained=None)).page
    numbers = [float(number) for number in page.locator(".vq-images p").all_inner_texts()]
    best = re.search(r"better than ([\d.]+)\.$", page.locator("p[aria-live]").inner_text())[1]
    assert np.mean(numbers) == pytest.approx(float(best), abs=0.003)


def test_a_single_image_needs_no_qubit(show):
    visit = show(figure(STATES[:1], STATES[:1], kept=0, trained=None))
    text = visit.page.locator(".vq-compression").inner_text()
    assert "1 of 64 dimensions; no circuit can do better than 1.000." in text
    assert visit.page.locator(".vq-images p").inner_text() == "1.00"
    assert "no bar: 63 below 10⁻¹" in text
    assert "NaN" not in visit.page.locator(".vq-compression").inner_html()
    visit.assert_clean()


@pytest.mark.parametrize(("width", "scheme"), [(330, "light"), (330, "dark"), (1000, "dark")])
def test_it_stays_inside_and_accessible_while_it_is_used(opened, width, scheme):
    visit = opened(width=width, scheme=scheme)
    page = visit.page
    height = page.locator(".vq-compression").bounding_box()["height"]
    for kept in (0, 6, 1, 3):
        page.get_by_role("slider").fill(str(kept))
        assert page.locator(".vq-compression").bounding_box()["height"] == height  # nothing jumps
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".vq-widget").evaluate("e => e.scrollWidth <= e.clientWidth")
    # Numbers in the drawings do not touch each other.
    for plot in page.locator(".vq-compression svg[role=img]").all():
        assert_texts_apart(plot)
    visit.assert_clean()
    visit.assert_accessible()
