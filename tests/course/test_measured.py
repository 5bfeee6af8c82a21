"""Numbers as readers see them, and what a notebook's test compares of them."""

import configparser
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from vqvae_lib.course.measured import (
    OutOfRange,
    exact,
    forest_plot,
    measured,
    set_range_checks,
    show,
    table,
)

ROOT = Path(__file__).parents[2]


def masked(text):
    """What nbval compares: the text after the rules of tests/nbval.cfg."""
    rules = configparser.ConfigParser()
    rules.read(ROOT / "tests" / "nbval.cfg")
    for name in rules.sections():
        text = re.sub(rules[name]["regex"], rules[name]["replace"], text)
    return text


def compared(shown):
    return masked(repr(shown)), masked(shown._repr_html_())


@pytest.mark.parametrize("value", [0.5001, -0.1, float("nan"), float("inf"), float("-inf")])
def test_a_value_outside_its_range_is_refused_by_name(value):
    with pytest.raises(OutOfRange, match="error of the network"):
        measured("error of the network", value, within=(0.0, 0.5))


@pytest.mark.parametrize("within", [(0, 1), (None, 1), (0, None), (0.5, 0.5)])
def test_the_ends_belong_to_the_range_and_may_be_open(within):
    assert measured("", 0.5, within=within).value == 0.5


@pytest.mark.parametrize("within", [(1, 0), (None, None), (0,), (0, float("nan"))])
def test_a_range_that_is_none_is_refused(within):
    with pytest.raises(ValueError, match="within"):
        measured("", 0.5, within=within)


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), torch.tensor(0.25), np.array(0.25)])
def test_numbers_of_every_kind_are_read(value):
    assert repr(exact("a", value, digits=2)) == "a 0.25"


@pytest.mark.parametrize("value", ["0.25", None, True, [0.25, 0.5], torch.zeros(2), 1j])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="value is"):
        exact("a", value)


def test_digits_signs_and_units_are_written_as_in_a_book():
    assert repr(exact("gap", -1.25, unit="nats", digits=2)) == "gap −1.25\u00a0nats"
    assert repr(exact("tilt", 2.04, unit="°", digits=1)) == "tilt 2.0°"
    assert repr(exact("", -0.0004, digits=2)) == "0.00"
    assert repr(exact("", 12.5, digits=0)) == "12"
    assert exact("", 3, unit="%", digits=0).text == "3\u00a0%"


def test_a_number_that_moves_within_its_range_is_not_compared():
    first, second = (
        measured("PCA", v, within=(v - 1, 9), name="pca", digits=4, interval=(v - 1, v + 1))
        for v in (0.05, 1.25)
    )
    assert repr(first) != repr(second)
    assert compared(show(first, "and", first, unit="nats")) == compared(
        show(second, "and", second, unit="nats")
    )
    rows = [[("d = 2", number)] for number in (first, second)]
    columns = ["code", "error"]
    assert compared(table(rows[0], columns=columns)) == compared(table(rows[1], columns=columns))


@pytest.mark.parametrize(
    "other",
    [
        show(measured("pca", 0.5, within=(0, 1), name="pca"), unit="nats"),
        show(measured("PCA", 0.5, within=(0, 1), name="pca"), unit="bits"),
        show(measured("PCA", 0.5, within=(0, 1), name="pc"), unit="nats"),
        show(exact("PCA", 0.5, name="pca"), unit="nats"),
    ],
)
def test_everything_but_the_digits_is_compared(other):
    one = show(measured("PCA", 0.5, within=(0, 1), name="pca"), unit="nats")
    assert compared(one)[1] != compared(other)[1]


def test_digits_of_exact_numbers_are_compared():
    assert compared(show(exact("floor", 0.25))) != compared(show(exact("floor", 0.26)))


def test_a_line_has_dots_between_numbers_and_none_around_words():
    one, two = exact("one", 1, digits=0), exact("two", 2, digits=0)
    assert repr(show(one, two, "of them", unit="nats")) == "one 1 · two 2 of them nats"


def test_a_table_is_a_table_for_screen_readers():
    shown = table([("<a>", exact("", 1, digits=0), 5)], columns=["x & y", "n", "m"], caption="It.")
    html = shown._repr_html_()
    assert '<th scope="col">x &amp; y</th>' in html
    assert '<th scope="row">&lt;a&gt;</th>' in html
    assert "<caption>It.</caption>" in html
    assert repr(shown) == "x & y | n | m\n<a> | 1 | 5\nIt."


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([("a",)], ValueError, r"rows\[0\] has 1 cells: expected 2"),
        ([("a", True)], TypeError, r"rows\[0\]\[1\] is bool"),
        ([("a", 0.5)], TypeError, r"rows\[0\]\[1\] is float"),
        ([], ValueError, "rows"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(rows, error, message):
    with pytest.raises(error, match=message):
        table(rows, columns=["a", "b"])


def test_a_forest_plot_shows_the_intervals_and_returns_its_table(monkeypatch):
    import IPython.display

    bundles = []
    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: bundles.append(bundle))
    rows = [exact("VAE", 0.5, interval=(0.25, 0.75), digits=2, unit="nats", name="vae")]
    shown = forest_plot(rows, alt="One arm with its interval.", unit="difference (nats)")
    assert repr(shown).splitlines()[1] == "VAE | 0.50\u00a0nats [0.25, 0.75]"
    assert 'id="num-vae"' in shown._repr_html_()
    assert "One arm with its interval." in bundles[0]["text/html"]
    with pytest.raises(ValueError, match="has no interval"):
        forest_plot([exact("VAE", 0.5)], alt="One arm with its interval.", unit="nats")


def test_on_other_data_numbers_are_shown_wherever_they_lie():
    set_range_checks(False)
    try:
        assert repr(measured("a", 5, within=(0, 1), digits=0)) == "a ≈5"
        with pytest.raises(OutOfRange):
            measured("a", float("nan"), within=(0, 1))
    finally:
        set_range_checks(True)
    with pytest.raises(OutOfRange):
        measured("a", 5, within=(0, 1))
