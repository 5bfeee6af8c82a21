"""Few labels: choose them, add other data to them, and measure what a classifier learns.

`LabelledData` is what scikit-learn's classifiers take: rows, labels, and a weight for each row. An
image that is partly of one class and partly of another appears twice, with two weights.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqvae_lib._checks import (
    LABELS,
    check_count,
    check_instance,
    check_number,
    check_same_length,
    check_seed,
    check_tensor,
    describe,
    raise_if_any,
)

__all__ = ["LabelledData", "accuracy", "check_labelled", "few_labels", "mixture"]


class LabelledData(NamedTuple):
    """Labelled data with weights.

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
    def of(cls, x: Tensor, y: Tensor) -> LabelledData:
        """Give every row the weight 1.

        Raises
        ------
        ValueError
            If the shapes do not fit together.
        """
        x, y = check_labelled(x, y)
        return cls(x, y, torch.ones(len(x), dtype=x.dtype, device=x.device))


def few_labels(y: Tensor, per_class: int, *, seed: int) -> Tensor:
    """Choose the rows whose labels are known, equally many of every class.

    Parameters
    ----------
    y
        Labels, shape (N,), int64.
    per_class
        Rows of each class. With the same seed, a smaller number chooses a subset.
    seed
        Draws the rows.

    Returns
    -------
    torch.Tensor
        Row numbers, shape (classes * per_class,), class after class.

    Raises
    ------
    ValueError
        If a class has fewer rows.
    """
    y = check_tensor("y", y, ("N",), dtype=LABELS, least=1)
    per_class = check_count("per_class", per_class)
    generator = torch.Generator().manual_seed(check_seed("seed", seed))
    choices = []
    for label in y.unique().tolist():
        rows = (y == label).nonzero()[:, 0]  # (rows of this class,)
        if len(rows) < per_class:
            raise ValueError(
                f"per_class={per_class}: expected at most {len(rows)}, the rows of class {label}"
            )
        choices.append(rows[torch.randperm(len(rows), generator=generator)[:per_class]])
    return torch.cat(choices)


def mixture(real: LabelledData, generated: LabelledData, w: float) -> LabelledData:
    """Add generated data to real data so that they make up the share `w` of the loss.

    A classifier trained on the result minimises the risk ``(1 - w) * real + w * generated``,
    however many rows were generated. All weights together sum to the number of real rows, so that a
    penalty keeps its strength.

    Parameters
    ----------
    real, generated
        Data of the same dimension.
    w
        Share of the generated data, from 0 to 1. At 0 or 1 the other part is left out.

    Returns
    -------
    LabelledData
        Real rows first.

    Raises
    ------
    ValueError
        If `w` is out of range, or shapes do not fit.
    """
    real, generated = _check_data("real", real), _check_data("generated", generated)
    if generated.x.shape[1] != real.x.shape[1]:
        raise ValueError(
            f"generated has rows of {generated.x.shape[1]} numbers and real of {real.x.shape[1]}: "
            "expected the same"
        )
    w = check_number("w", w, least=0, most=1)
    N = len(real.x)
    parts = [
        LabelledData(part.x, part.y, part.weight * (share * N / part.weight.sum()))
        for part, share in ((real, 1 - w), (generated, w))
        if share > 0
    ]
    return LabelledData(*map(torch.cat, zip(*parts, strict=True)))


def accuracy(classifier: Any, train: LabelledData, x: Tensor, y: Tensor) -> float:
    """Fit a classifier on `train` and return the share of other data that it labels correctly.

    With generated data as `train` and real test data as x, y this is TSTR: train on synthetic, test
    on real (Esteban, Hyland and Rätsch 2017). The other way round it is TRTS.

    Parameters
    ----------
    classifier
        A scikit-learn classifier that takes ``sample_weight``. A copy is fitted; this one stays as
        it is.
    train
        Training data.
    x, y
        Test data (N_test, D) and their labels (N_test,).

    Returns
    -------
    float
        From 0 to 1.
    """
    if isinstance(classifier, type) or not all(
        hasattr(classifier, method) for method in ("fit", "score", "get_params")
    ):
        raise TypeError(
            f"classifier is {describe(classifier)}: expected one of scikit-learn's, such as "
            "LogisticRegression()"
        )
    train = _check_data("train", train)
    x, y = check_labelled(x, y)
    if x.shape[1] != train.x.shape[1]:
        raise ValueError(
            f"x has shape {tuple(x.shape)}: expected rows of {train.x.shape[1]} numbers, as train "
            "has them"
        )
    from sklearn.base import clone
    from sklearn.utils.validation import has_fit_parameter

    if not has_fit_parameter(classifier, "sample_weight"):
        raise TypeError(
            f"classifier is {describe(classifier)}, whose fit takes no sample_weight: expected one "
            "that counts rows by their weight, such as LogisticRegression()"
        )
    copy = clone(classifier)
    rows, labels, weight = (part.detach().cpu().numpy() for part in train)
    copy.fit(rows, labels, sample_weight=weight)
    return float(copy.score(x.detach().cpu().numpy(), y.cpu().numpy()))


def check_labelled(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return data (N, D) and labels (N,); ValueError or TypeError if they do not fit together."""
    x = check_tensor("x", x, ("N", "D"), least=1, finite=True)
    y = check_tensor("y", y, ("N",), dtype=LABELS)
    check_same_length("x", x, "y", y)
    return x, y


def _check_data(name: str, data: LabelledData) -> LabelledData:
    """Return labelled data whose parts fit together; ValueError or TypeError otherwise."""
    check_instance(name, data, LabelledData, "LabelledData, such as LabelledData.of(x, y)")
    try:
        x, y = check_labelled(data.x, data.y)
        weight = check_tensor("weight", data.weight, ("N",), like=x, finite=True)
        check_same_length("weight", weight, "x", x)
        raise_if_any("weight", weight, weight <= 0, "numbers above 0")
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error
    return LabelledData(x, y, weight)
