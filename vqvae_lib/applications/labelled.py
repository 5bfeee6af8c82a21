"""Few labels: choose them, put other data beside them, and measure what a classifier learns.

A `Labelled` sample is what scikit-learn's classifiers take: rows, whole labels, and a weight for
each row. What is partly of one class and partly of another stands in it twice, with two weights.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqvae_lib._checks import check_count

__all__ = ["Labelled", "accuracy", "few_labels", "mixture"]


class Labelled(NamedTuple):
    """Weighted labelled data.

    Attributes
    ----------
    x
        Data as rows, shape (N, D).
    y
        Labels, shape (N,), int64.
    weight
        How much each row counts in a classifier's loss, shape (N,), above 0.
    """

    x: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> Labelled:
        """Give every row the weight 1.

        Raises
        ------
        ValueError
            If the shapes do not fit together.
        """
        check_labelled(x, y)
        return cls(x, y, torch.ones(len(x), dtype=x.dtype, device=x.device))


def few_labels(y: Tensor, per_class: int, *, seed: int) -> Tensor:
    """Choose the rows whose labels are known: the same number of every class.

    Parameters
    ----------
    y
        Labels, shape (N,).
    per_class
        How many of each; a smaller number with the same seed gives a part of the larger choice.
    seed
        Draws them.

    Returns
    -------
    torch.Tensor
        Row numbers, shape (classes * per_class,), class after class.

    Raises
    ------
    ValueError
        If a class has fewer.
    """
    check_count("per_class", per_class)
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for label in y.unique().tolist():
        rows = (y == label).nonzero()[:, 0]  # (rows of this class,)
        if len(rows) < per_class:
            raise ValueError(
                f"per_class={per_class}: expected at most {len(rows)}, the rows of class {label}"
            )
        chosen.append(rows[torch.randperm(len(rows), generator=generator)[:per_class]])
    return torch.cat(chosen)


def mixture(real: Labelled, generated: Labelled, w: float) -> Labelled:
    """Put generated data beside real ones, so that they have the share `w` of the loss.

    The risk that a classifier minimises on the result is ``(1 - w) * real + w * generated``,
    however many were generated, and all weights sum to the number of real rows, so that a penalty
    keeps its place.

    Parameters
    ----------
    real, generated
        Labelled data of the same dimension.
    w
        Share of the generated, from 0 to 1. At 0 or 1 the other part is left out.

    Returns
    -------
    Labelled
        Real rows first.

    Raises
    ------
    ValueError
        If `w` is out of range.
    """
    if not 0 <= w <= 1:
        raise ValueError(f"w={w!r}: expected a number from 0 to 1")
    N = len(real.x)
    parts = [
        Labelled(part.x, part.y, part.weight * (share * N / part.weight.sum()))
        for part, share in ((real, 1 - w), (generated, w))
        if share > 0
    ]
    return Labelled(*map(torch.cat, zip(*parts, strict=True)))


def accuracy(classifier: Any, train: Labelled, x: Tensor, y: Tensor) -> float:
    """Fit a classifier on `train` and give its share of right labels on other data.

    With generated data as `train` and real test data as x, y it is TSTR: train on synthetic, test
    on real (Esteban, Hyland and Rätsch 2017). The other way round it is TRTS.

    Parameters
    ----------
    classifier
        Of scikit-learn, unfitted; a fitted copy is used, this one stays as it is. It has to take
        ``sample_weight``.
    train
        Training data.
    x, y
        Test data (N_test, D), (N_test,).

    Returns
    -------
    float
        From 0 to 1.
    """
    from sklearn.base import clone

    check_labelled(x, y)
    fitted = clone(classifier).fit(
        train.x.numpy(), train.y.numpy(), sample_weight=train.weight.numpy()
    )
    return float(fitted.score(x.numpy(), y.numpy()))


def check_labelled(x: Tensor, y: Tensor) -> None:
    """Refuse data and labels that do not fit together."""
    if x.ndim != 2 or not len(x) or y.shape != x.shape[:1]:
        raise ValueError(
            f"x {tuple(x.shape)} and y {tuple(y.shape)}: expected (N, D) and (N,), N of at least 1"
        )
