"""Memorisation: whether a generator copies, and whether it was trained on what it should not know.

Both tests compare distances to nearest neighbours by their ranks, so neither needs a scale. Both
need real data that the generator has not seen: only they tell which distances are usual.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vqvae_lib._checks import check_tensor

__all__ = ["NeighbourTest", "copying_test", "membership_test", "nearest_distance"]


class NeighbourTest(NamedTuple):
    """Outcome of a test that compares distances to nearest neighbours.

    Attributes
    ----------
    closer
        Probability that a point of the suspected kind is closer than one of the other kind, ties
        counting half: ½ if both kinds are alike, 1 if all suspected points are closer.
    p_value
        One-sided, by the Mann-Whitney test: the probability of a value as large if both are alike.
    """

    closer: float
    p_value: float

    def __str__(self) -> str:
        """As a sentence prints it: ``closer in 62 %, p = 0.003``."""
        return f"closer in {self.closer:.0%}, p = {self.p_value:.2g}"


def nearest_distance(points: Tensor, others: Tensor) -> Tensor:
    """Euclidean distance of each point to the nearest of the others: ``(N, D), (M, D) -> (N,)``.

    Computed from differences, so that the distance to a copy is exactly 0.

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is not finite.
    """
    points, others = _check_rows(points=points, others=others)
    others = others.detach().double()
    exact = "donot_use_mm_for_euclid_dist"
    nearest = [
        torch.cdist(part, others, compute_mode=exact).amin(1)  # (256, M) -> (256,)
        for part in points.detach().double().split(256)
    ]
    return torch.cat(nearest)


def copying_test(generated: Tensor, train: Tensor, held_out: Tensor) -> NeighbourTest:
    """Test whether generated data lie closer to the training data than new real data do.

    The idea of the three-sample test of Meehan, Chaudhuri and Dasgupta (2020), here over the whole
    space at once. If the generator draws from the true distribution, generated and held-out points
    are alike and ``closer`` is ½. If it copies a share p of its draws and draws the rest truly,
    ``closer`` is ½ + p/2. A generator that only draws near the middle of the data, as images
    without their noise do, also scores above ½: then look at the pairs.

    Parameters
    ----------
    generated
        Independent draws, shape (M, D).
    train
        The generator's training data, shape (N, D).
    held_out
        Real data of the same kind that it was not trained on, shape (N_test, D).

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is not finite.
    """
    train, generated, held_out = _check_rows(train=train, generated=generated, held_out=held_out)
    return _compare_ranks(nearest_distance(generated, train), nearest_distance(held_out, train))


def membership_test(generated: Tensor, suspected: Tensor, clean: Tensor) -> NeighbourTest:
    """Test whether a generator was trained on suspected data, judging by what it generates.

    If it was not, suspected and clean data are two samples of one distribution, and the nearest
    generated point is as far from one as from the other: the p-value is valid whatever the
    generator does. With the training data as `suspected` the test measures overfitting, with the
    test data a leak.

    Parameters
    ----------
    generated
        Draws, shape (M, D). More of them make the test sharper.
    suspected
        Real data that may have been trained on, shape (N, D).
    clean
        Real data of the same kind that were certainly not, shape (N_clean, D).

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is not finite.
    """
    generated, suspected, clean = _check_rows(generated=generated, suspected=suspected, clean=clean)
    return _compare_ranks(
        nearest_distance(suspected, generated), nearest_distance(clean, generated)
    )


def _check_rows(**data: Tensor) -> list[Tensor]:
    """Return data sets (N, D) that have their D in common, in float64."""
    checked: list[Tensor] = []
    for name, rows in data.items():
        D = checked[0].shape[1] if checked else "D"
        checked.append(check_tensor(name, rows, ("N", D), least=1, finite=True).double())
    return checked


def _compare_ranks(suspected: Tensor, others: Tensor) -> NeighbourTest:
    """Compare two sets of distances by the Mann-Whitney test."""
    from scipy.stats import mannwhitneyu

    # U counts the pairs in which the suspected distance is the larger one, ties half.
    U, p_value = mannwhitneyu(suspected.numpy(), others.numpy(), alternative="less")
    return NeighbourTest(float(1 - U / (len(suspected) * len(others))), float(p_value))
