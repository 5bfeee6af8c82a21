"""The figure of accuracy against labels, seen from Python, and its arithmetic run in Node."""

import json

import numpy as np
import pytest

from tests.course.widget_tools import assert_words_are_used, in_node, needs_node, state_in_html
from vqvae_lib.course.plotting import COLOURS
from vqvae_lib.course.widgets import LabelCurve, label_curve
from vqvae_lib.inference import t_interval

LABELS = [2, 5, 20]
RNG = np.random.default_rng(0)
SCORES = {
    name: np.sort(RNG.integers(200, 350, (3, 6)), 0) / 360 for name in ("alone", "moved", "drawn")
}


def figure(per_class=LABELS, scores=SCORES, **changes):
    given = {"baseline": "alone", "chosen": ["alone", "moved"], "alt": "Curves of three arms."}
    return LabelCurve(per_class, scores, **(given | changes))


# State and repr -----------------------------------------------------------------------------------


def test_it_has_its_state_and_repr():
    widget = figure(baseline="moved", chosen=["drawn", "alone"])
    state = state_in_html(widget)
    assert set(state) == {
        "alt", "arms", "baseline", "chosen", "differences", "intervals", "per_class", "scores",
        "words",
    }  # fmt: skip
    assert (state["baseline"], state["chosen"], state["per_class"]) == (1, [0, 2], LABELS)
    assert repr(widget) == "LabelCurve(per_class=[2, 5, 20], arms=['alone', 'moved', 'drawn'])"
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["text/html"].endswith(">Curves of three arms.</div>")
    np.testing.assert_allclose(state["scores"], [100 * SCORES[a] for a in state["arms"]], atol=6e-4)


@pytest.mark.parametrize("options", [{}, {"test_to_train": 0.2}])
def test_intervals_are_the_library_s_of_scores_and_of_paired_differences(options):
    state = state_in_html(figure(**options))
    names = state["arms"]
    for i, arm in enumerate(names):
        for k in range(3):
            expected = t_interval(100 * SCORES[arm][k], **options)
            np.testing.assert_allclose(state["intervals"][i][k], expected, atol=0.01)
            for j, other in enumerate(names):
                if i == j:
                    assert state["differences"][i][j][k] == [0, 0]
                    continue
                gain = 100 * (SCORES[arm][k] - SCORES[other][k])
                low, high = state["differences"][i][j][k]
                np.testing.assert_allclose((low, high), t_interval(gain, **options), atol=0.01)
                assert low < gain.mean() < high
                assert state["differences"][j][i][k] == [-high, -low]


def test_state_stays_small_and_is_the_same_twice():
    many = {f"a way with a name {i}": RNG.random((4, 10)) for i in range(12)}
    options = {"baseline": "a way with a name 0", "chosen": list(many)}
    first = figure([2, 5, 10, 20], many, **options)._repr_mimebundle_()[0]["text/html"]
    assert len(first.encode()) < 30_000
    assert figure([2, 5, 10, 20], many, **options)._repr_mimebundle_()[0]["text/html"] == first


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"per_class": [5, 2, 20]}, r"per_class=\[5, 2, 20\]: expected two or more, rising"),
        ({"per_class": [2]}, r"per_class=\[2\]"),
        ({"per_class": [0, 1, 2]}, r"per_class=\[0, 1, 2\]"),
        ({"scores": {"alone": SCORES["alone"]}}, "scores: expected 2 to 15 arms, got 1"),
        ({"scores": SCORES | {"drawn": SCORES["drawn"][:2]}}, "scores.'drawn'.: expected 3 num"),
        ({"scores": SCORES | {"drawn": SCORES["drawn"][:, :5]}}, "scores.'drawn'.: .* got 3 ti"),
        ({"scores": {a: s[:, :3] for a, s in SCORES.items()}}, "scores.'alone'.: .* four units"),
        ({"scores": SCORES | {"drawn": 100 * SCORES["drawn"]}}, "'drawn'.: expected shares"),
        ({"scores": SCORES | {"drawn": np.nan * SCORES["drawn"]}}, "'drawn'.: expected shares"),
        ({"baseline": "none"}, "baseline='none': expected one of 'alone', 'moved', 'drawn'"),
        ({"chosen": ["alone", "x"]}, "chosen='x': expected one of 'alone'"),
    ],
)
def test_what_does_not_fit_is_named(changes, said):
    with pytest.raises(ValueError, match=said):
        figure(**changes)


def test_every_text_comes_from_the_catalogue_and_is_used(monkeypatch):
    assert_words_are_used(label_curve, monkeypatch)


# The arithmetic in Node ---------------------------------------------------------------------------


@needs_node
def test_module_is_whole():
    assert in_node("label_curve", "typeof render") == "function"


@needs_node
def test_summaries_are_those_of_python():
    state = {k: v for k, v in state_in_html(figure()).items() if k != "words"}
    text = json.dumps(state)
    for i, arm in enumerate(state["arms"]):
        own = in_node("label_curve", f"summary({text}, {i})")
        np.testing.assert_allclose(
            [p["mean"] for p in own], 100 * SCORES[arm].mean(1), rtol=0, atol=1e-3
        )
        assert [[p["low"], p["high"]] for p in own] == state["intervals"][i]
        for j, other in enumerate(state["arms"]):
            found = in_node("label_curve", f"summary({text}, {i}, {j})")
            gains = 100 * (SCORES[arm] - SCORES[other])  # (3, 6)
            np.testing.assert_allclose([p["units"] for p in found], gains, atol=1.5e-3)
            np.testing.assert_allclose([p["mean"] for p in found], gains.mean(1), atol=1.5e-3)
            assert [[p["low"], p["high"]] for p in found] == state["differences"][i][j]


@needs_node
def test_an_interval_is_apart_from_zero_or_not():
    cases = [(0.1, 2), (-2, -0.1), (-1, 1), (0, 1), (-1, 0)]
    text = json.dumps([{"low": low, "high": high} for low, high in cases])
    assert in_node("label_curve", f"{text}.map(apart)") == [True, True, False, False, False]


@needs_node
def test_fifteen_arms_differ_by_colour_and_mark():
    names = in_node(
        "label_curve",
        "[...Array(15).keys()].map(styleOf).map(({ colour, mark }) => [colour, mark(0, 0)])",
    )
    assert len({tuple(name) for name in names}) == 15
    assert {colour for colour, _mark in names} <= set(COLOURS)
    assert len({mark for _colour, mark in names[:5]}) == 5


@needs_node
def test_limits_enclose_and_numbers_have_signs():
    assert in_node("label_curve", "enclose([71.2, 96.1], 5)") == [70, 100]
    assert in_node("label_curve", "enclose([-2.3, 0.4], 2)") == [-4, 2]
    assert in_node("label_curve", "[1.26, -0.44, 0.01, -0.01].map(signed)") == [
        "+1.3", "−0.4", "0.0", "0.0",
    ]  # fmt: skip
