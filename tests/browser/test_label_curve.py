"""The figure of accuracy against labels on a page of its own, worked by a reader."""

import numpy as np
import pytest

from tests.browser.conftest import assert_texts_apart
from tests.course.test_label_curve import LABELS, SCORES, figure
from vqvae_lib.inference import t_interval

NAMES = list(SCORES)


@pytest.fixture
def opened(show):
    """Open the figure: opened(baseline="moved", width=390)."""

    def open_figure(baseline="alone", chosen=("alone", "moved"), **options):
        return show(figure(baseline=baseline, chosen=list(chosen)), **options)

    return open_figure


def signed(value):
    text = f"{value:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def assert_shows(page, baseline, chosen, dots=False):
    """Table, marks and texts are those of Python's numbers."""
    others = [name for name in NAMES if name in chosen and name != baseline]
    rows = page.locator(".vq-labels tbody tr")
    assert rows.locator("th").all_inner_texts() == others
    for row, name in zip(rows.all(), others, strict=True):
        gains = np.round(100 * SCORES[name], 3) - np.round(100 * SCORES[baseline], 3)
        for cell, gain in zip(row.locator("td").all(), gains, strict=True):
            low, high = (round(end, 2) for end in t_interval(gain, test_to_train=0))
            wanted = f"[{low:.1f}, {high:.1f}]".replace("-", "−")
            bold = cell.locator("strong").count()
            middle = cell.locator("strong, span").inner_text()
            assert middle == signed(gain.mean())
            assert bold == (low > 0 or high < 0)
            # Mirrored ends are computed the other way round: the last digit may differ.
            found = [float(s) for s in cell.locator("small").inner_text().replace("−", "-")
                     .strip("[]").split(",")]  # fmt: skip
            wanted = [float(s) for s in wanted.replace("−", "-").strip("[]").split(",")]
            np.testing.assert_allclose(found, wanted, atol=0.7)
    curve, gain = page.locator(".vq-labels svg[role=img]").all()
    shown = [name for name in NAMES if name in chosen]
    for drawing, names in ((curve, shown), (gain, others)):
        assert drawing.locator(".vq-mark").count() == len(names) * len(LABELS)
        assert drawing.locator(".vq-interval").count() == len(names) * len(LABELS)
        units = len(names) * SCORES["alone"].size if dots else 0
        assert drawing.locator(".vq-dot").count() == units
        label = drawing.get_attribute("aria-label")
        assert all(f"{name}: 2 labels per class" in label for name in names)
    assert f"minus “{baseline}”" in page.locator(".vq-gain p").inner_text()


def test_the_keyboard_chooses_arms_and_baseline(opened):
    visit = opened()
    page = visit.page
    assert_shows(page, "alone", ["alone", "moved"])
    page.get_by_role("checkbox", name="drawn").focus()
    page.keyboard.press("Space")
    assert_shows(page, "alone", NAMES)
    page.get_by_role("combobox").focus()
    page.keyboard.press("ArrowDown")
    assert_shows(page, "moved", NAMES)
    page.get_by_role("checkbox", name="alone").focus()
    page.keyboard.press("Space")
    assert_shows(page, "moved", ["moved", "drawn"])
    page.get_by_role("checkbox", name="a dot for each choice of labels").check()
    assert_shows(page, "moved", ["moved", "drawn"], dots=True)
    visit.assert_clean()


def test_marks_stand_at_their_values(opened):
    page = opened().page
    curve = page.locator(".vq-accuracy svg[role=img]")
    found = curve.evaluate(
        """(svg) => {
          const centre = (mark) => {
            const { y, height } = mark.getBBox();
            return y + height / 2;
          };
          const texts = [...svg.querySelectorAll("text[text-anchor=end]")].slice(0, -1);
          return {
            marks: [...svg.querySelectorAll(".vq-mark")].map(centre),
            ticks: texts.map((t) => [+t.textContent, +t.getAttribute("y") - 4]),
          };
        }"""
    )
    (low, y_low), *_rest, (high, y_high) = found["ticks"]
    values = low + (np.array(found["marks"]) - y_low) * (high - low) / (y_high - y_low)
    wanted = [100 * SCORES[name][k].mean() for name in ("alone", "moved") for k in range(3)]
    np.testing.assert_allclose(values, wanted, atol=0.3)


def test_nothing_chosen_is_no_error(opened):
    visit = opened(chosen=())
    assert visit.page.locator(".vq-mark").count() == 0
    assert "nothing chosen" in visit.page.locator("svg[role=img]").first.get_attribute("aria-label")
    visit.assert_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_is_accessible(opened, scheme):
    visit = opened(chosen=NAMES, width=375, scheme=scheme)
    page = visit.page
    right = page.locator(".vq-labels").evaluate("(root) => root.getBoundingClientRect().right")
    for part in page.locator(".vq-labels :is(table, td, th, caption, svg, select, label)").all():
        assert part.evaluate("(e) => e.getBoundingClientRect().right") <= right + 1
        assert part.evaluate("(e) => e.scrollWidth - e.clientWidth") <= 1
    for drawing in page.locator("svg[role=img]").all():
        assert_texts_apart(drawing)
    visit.assert_clean()
    visit.assert_accessible()
