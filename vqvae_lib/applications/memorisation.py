"""Memorisation: whether a generator copies, and whether it has seen what it should not have.

Both tests compare distances to nearest neighbours by their ranks, so neither needs a scale. Both
need real data that the generator has not seen: what is near is only known from what is usual.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["NeighbourTest", "copying_test", "membership_test", "nearest_distance"]


class NeighbourTest(NamedTuple):
    """What a test of distances to nearest neighbours found.

    Attributes
    ----------
    closer
        Probability that a point of the suspected kind is closer than one of the other kind (ties
        count half): ½ if they are alike, 1 if every one is.
    p_value
        One-sided, by the Mann-Whitney test: of a value as large, if they are alike.
    """

    closer: float
    p_value: float

    def __str__(self) -> str:
        """As a sentence prints it: ``closer in 62 %, p = 0.003``."""
        return f"closer in {self.closer:.0%}, p = {self.p_value:.2g}"


def nearest_distance(points: Tensor, others: Tensor) -> Tensor:
    """Euclidean distance of each point to the nearest of others: ``(N, D), (M, D) -> (N,)``.

    Computed from differences, so that the distance to a copy is exactly 0.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or a number is not finite.
    """
    for name, rows in (("points", points), ("others", others)):
        if rows.ndim != 2 or not len(rows) or rows.shape[1] != points.shape[1]:
            raise ValueError(
                f"{name} has shape {tuple(rows.shape)}: expected (N, D), N of at least 1, the same "
                "D for both"
            )
        if not rows.isfinite().all():
            raise ValueError(f"{name} holds nan or inf: expected finite numbers")
    parts = points.detach().double().split(256)
    other = others.detach().double()
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cat([torch.cdist(part, other, compute_mode=exact).amin(1) for part in parts])


def copying_test(generated: Tensor, train: Tensor, held_out: Tensor) -> NeighbourTest:
    """Test whether generated data lie closer to the training data than new real data do.

    The idea of the three-sample test of Meehan, Chaudhuri and Dasgupta (2020), over all of the
    space at once. For a generator that draws from the true distribution, generated and held-out
    points are alike: ``closer`` is ½. One that copies a share p, and draws truly else, has
    ``closer = ½ + p/2``. It also lies above ½ where a generator only draws near the middle of the
    data, as pictures without their noise do: then look at the pairs.

    Parameters
    ----------
    generated
        Shape (M, D), independent draws.
    train
        What the generator was trained on, shape (N, D).
    held_out
        Real data of the same kind that it was not trained on, shape (N_test, D).

    Returns
    -------
    NeighbourTest
        ``closer`` and ``p_value``.

    Raises
    ------
    ValueError
        If shapes do not fit together, or a number is not finite.
    """
    return _compare(nearest_distance(generated, train), nearest_distance(held_out, train))


def membership_test(generated: Tensor, suspected: Tensor, clean: Tensor) -> NeighbourTest:
    """Test whether a generator was trained on suspected data, by what it has generated.

    If it was not, suspected and clean data are two draws from one distribution, which the
    generator knows equally well: the nearest generated point is as far from the ones as from the
    others, and the p-value holds, whatever the generator does. With the training data as
    `suspected` it measures overfitting; with the test data, a leak.

    Parameters
    ----------
    generated
        Shape (M, D); the more, the sharper.
    suspected
        Real data that may have been trained on, shape (N, D).
    clean
        Real data of the same kind that were certainly not, shape (N_clean, D).

    Returns
    -------
    NeighbourTest
        ``closer`` and ``p_value``.

    Raises
    ------
    ValueError
        If shapes do not fit together, or a number is not finite.
    """
    return _compare(nearest_distance(suspected, generated), nearest_distance(clean, generated))


def _compare(suspected: Tensor, others: Tensor) -> NeighbourTest:
    """Compare two sets of distances by ranks."""
    from scipy.stats import mannwhitneyu

    # U counts the pairs in which a suspected distance is the larger one, ties half.
    U, p = mannwhitneyu(suspected.numpy(), others.numpy(), alternative="less")
    return NeighbourTest(float(1 - U / (len(suspected) * len(others))), float(p))
