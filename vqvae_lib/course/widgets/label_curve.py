"""Accuracy against labels: ways to augment few labels, on paired units, against a baseline."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import traitlets

from vqvae_lib._checks import check_choice
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.words import _
from vqvae_lib.inference import t_interval

__all__ = ["LabelCurve"]

ARMS = 15  # as many as colours and shapes can tell apart


class LabelCurve(CourseWidget):
    """Scores of several arms against the number of labels, and paired differences.

    The reader chooses which arms to see, and the one that the others are compared with. Each
    difference is taken unit by unit, such as a fold; its interval and those of the scores are
    `vqvae_lib.inference.t_interval`, computed here and not in the browser.

    Parameters
    ----------
    per_class : sequence of int
        Numbers of labels per class, rising; two or more.
    scores : dict of str to array (numbers of labels, units)
        Accuracy, from 0 to 1, of each arm; the same four units or more for all arms.
    baseline : str
        The arm that the others are compared with at the start.
    chosen : sequence of str
        The arms that are shown at the start.
    alt : str
        What the figure shows, in a sentence.
    test_to_train : float
        n_test/n_train of a unit, which widens the intervals; 0 for independent units.

    Raises
    ------
    ValueError
        If there are too few or too many arms, labels or units, shapes differ, a score is not
        a share, or an arm is unknown.
    """

    module: ClassVar[str] = "label_curve"
    summary: ClassVar[tuple[str, ...]] = ("per_class", "arms")

    per_class: Any = traitlets.List(help="Numbers of labels per class.").tag(sync=True)
    arms: Any = traitlets.List(help="Names of the arms.").tag(sync=True)
    scores: Any = traitlets.List(help="In percent: [arm][labels][unit].").tag(sync=True)
    intervals: Any = traitlets.List(
        help="Of the mean of each, in percent: [arm][labels] = [low, high]."
    ).tag(sync=True)
    differences: Any = traitlets.List(
        help="Interval of arm minus baseline: [arm][baseline][labels] = [low, high]."
    ).tag(sync=True)
    baseline: Any = traitlets.Int(help="Number of the arm compared with.").tag(sync=True)
    chosen: Any = traitlets.List(help="Numbers of the arms shown.").tag(sync=True)

    def __init__(
        self,
        per_class: Sequence[int],
        scores: Mapping[str, Any],
        *,
        baseline: str,
        chosen: Sequence[str],
        alt: str,
        test_to_train: float = 0.0,
        **kwargs: Any,
    ):
        labels, rows = _read_scores(per_class, scores)
        arms = list(scores)
        check_choice("baseline", baseline, arms)
        for arm in chosen:
            check_choice("chosen", arm, arms)
        super().__init__(
            per_class=labels,
            arms=arms,
            scores=rows,
            intervals=[
                [_compute_interval(values, test_to_train) for values in arm] for arm in rows
            ],
            differences=_compute_differences(rows, test_to_train),
            baseline=arms.index(baseline),
            chosen=sorted({arms.index(arm) for arm in chosen}),
            alt=alt,
            words=_words(),
            **kwargs,
        )


def _read_scores(
    per_class: Sequence[int], scores: Mapping[str, Any]
) -> tuple[list[int], list[list[list[float]]]]:
    """Return the numbers of labels, and the scores in percent."""
    labels = [int(number) for number in per_class]
    if len(labels) < 2 or labels != sorted(set(labels)) or labels[0] < 1:
        raise ValueError(f"per_class={list(per_class)}: expected two or more, rising from 1 on")
    if not 2 <= len(scores) <= ARMS:
        raise ValueError(f"scores: expected 2 to {ARMS} arms, got {len(scores)}")
    rows: list[list[list[float]]] = []
    for name, values in scores.items():
        arm = [[round(100 * float(score), 3) for score in units] for units in values]
        sizes = {len(units) for units in arm}
        n_units = len(rows[0][0]) if rows else max(sizes, default=0)
        if len(arm) != len(labels) or sizes != {n_units} or n_units < 4:
            raise ValueError(
                f"scores[{name!r}]: expected {len(labels)} numbers of labels times the same four "
                f"units or more for all arms, got {len(arm)} times {sorted(sizes)}"
            )
        if not all(0 <= score <= 100 for units in arm for score in units):  # refuses nan too
            raise ValueError(f"scores[{name!r}]: expected shares from 0 to 1")
        rows.append(arm)
    return labels, rows


def _compute_differences(
    rows: list[list[list[float]]], test_to_train: float
) -> list[list[list[list[float]]]]:
    """Intervals of all paired differences; the opposite differences are mirrored."""
    intervals: list[list[list[list[float]]]] = [[[] for _arm in rows] for _arm in rows]
    for i, arm in enumerate(rows):
        intervals[i][i] = [[0.0, 0.0] for _labels in arm]
        for j, other in enumerate(rows[:i]):
            intervals[i][j] = [
                _compute_interval([a - b for a, b in zip(*pair, strict=True)], test_to_train)
                for pair in zip(arm, other, strict=True)
            ]
            intervals[j][i] = [[-high, -low] for low, high in intervals[i][j]]
    return intervals


def _compute_interval(values: list[float], test_to_train: float) -> list[float]:
    low, high = t_interval(values, test_to_train=test_to_train)
    return [round(low, 2) + 0.0, round(high, 2) + 0.0]


def _words() -> dict[str, str]:
    return {
        "arms": _("What is shown"),
        "baseline": _("Compared with"),
        "dots": _("a dot for each choice of labels"),
        "accuracy": _("Test accuracy in percent, against labels per class"),
        "gain": _("The same, choice by choice, minus “{baseline}”, in points"),
        "axis": _("labels"),
        "point": _("{labels} labels per class: {mean} [{low}, {high}]"),
        "none": _("nothing chosen"),
        "table": _(
            "Mean difference from “{baseline}” in points, with its 95 % interval. Bold: the "
            "interval does not contain 0 (not corrected for the number of arms)."
        ),
        "arm": _("arm"),
        "column": _("{labels} labels"),
    }
