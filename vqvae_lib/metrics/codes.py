"""What a code keeps of the data: the labels that can be read from it, and the neighbours.

Classifiers and neighbours are scikit-learn's, which is imported when a function is called.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from vqvae_lib._checks import LABELS, check_count, check_same_length, check_tensor, check_unit
from vqvae_lib.metrics.geometry import centre, find_origin

__all__ = ["knn_accuracy", "linear_probe_accuracy", "trustworthiness"]

_MOST_ROWS = 10_000


def knn_accuracy(
    z_train: Tensor, y_train: Tensor, z_test: Tensor, y_test: Tensor, *, neighbours: int = 5
) -> float:
    """How well the labels can be read from the codes by a vote of the nearest neighbours.

    Parameters
    ----------
    z_train, y_train
        Labelled codes, shape (N, d), and their labels, int64, shape (N,).
    z_test, y_test
        Codes to be labelled, shape (N_test, d), and their true labels, shape (N_test,).
    neighbours
        How many neighbours vote, 1 to N.

    Returns
    -------
    float
        Share of correct labels, 0 to 1.

    Raises
    ------
    ValueError
        If shapes do not fit together, codes are not finite, or `neighbours` is out of range.
    TypeError
        If an argument is not a tensor, or has another dtype.
    """
    train, test = _check_labelled(z_train, y_train, z_test, y_test)
    neighbours = check_count("neighbours", neighbours, most=len(train.z))
    from sklearn.neighbors import KNeighborsClassifier

    vote = KNeighborsClassifier(n_neighbors=neighbours).fit(*train)
    return float(vote.score(*test))


def linear_probe_accuracy(
    z_train: Tensor, y_train: Tensor, z_test: Tensor, y_test: Tensor
) -> float:
    """How well a linear classifier reads the labels from the codes (Alain and Bengio 2016).

    The codes are standardised by the mean and standard deviation of the training codes, and fed to
    a logistic regression with scikit-learn's default penalty (L2, C = 1). So the scale of a
    dimension does not matter, and one that is constant in training is ignored. Where
    `knn_accuracy` is high and this is low, the labels are in the code, but planes don't part them.

    Parameters
    ----------
    z_train, y_train
        Labelled codes, shape (N, d), and their labels, int64, shape (N,), two classes or more.
    z_test, y_test
        Codes to be labelled, shape (N_test, d), and their true labels, shape (N_test,).

    Returns
    -------
    float
        Share of correct labels, 0 to 1. Always guessing the commonest label scores its share.

    Raises
    ------
    ValueError
        If shapes do not fit together, codes are not finite, or all training labels are the same.
    TypeError
        If an argument is not a tensor, or has another dtype.
    """
    train, test = _check_labelled(z_train, y_train, z_test, y_test)
    if (train.y == train.y[0]).all():
        raise ValueError(f"y_train has only the label {train.y[0]}: expected two or more")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(*train)
    return float(probe.score(*test))


def trustworthiness(x: Tensor, z: Tensor, *, neighbours: int = 5) -> float:
    """How far neighbours among the codes can be trusted to be neighbours among the data.

    A code that is among the k nearest of another, though its x is not, is an intruder. It counts by
    its rank in the data: by one if it is the (k + 1)-th nearest there, by two if the (k + 2)-th.
    The sum is scaled so that 1 means no intruders and 0 the worst case (Venna and Kaski 2001).
    The opposite mistake, neighbours in the data that the codes tear apart, goes unseen; swap the
    arguments to measure it, which is called continuity.

    Parameters
    ----------
    x
        Data, shape (N, D).
    z
        Their codes, in the same order, shape (N, d).
    neighbours
        k, at least 1 and below N / 2.

    Notes
    -----
    Memory grows with N²: about 2.4 GB for the largest N, 10,000 rows. Of more, take a sample.

    Returns
    -------
    float
        0 to 1. Codes in random order score about 0.5.

    Raises
    ------
    ValueError
        If shapes do not fit together, a number is not finite, or `neighbours` is out of range.
    TypeError
        If x or z is not a tensor of floating-point numbers.
    """
    x = check_tensor("x", x, ("N", "D"), least=3, finite=True)
    z = check_tensor("z", z, (len(x), "d"), finite=True)
    check_unit("x", x)
    check_unit("z", z)
    if len(x) > _MOST_ROWS:
        raise ValueError(
            f"x has {len(x)} rows: expected at most {_MOST_ROWS}, since all pairs of them are held "
            "in memory; take a random sample of the rows of x and z"
        )
    neighbours = check_count("neighbours", neighbours, most=(len(x) - 1) // 2)
    from sklearn.manifold import trustworthiness as score

    return float(score(centre(x).numpy(), centre(z).numpy(), n_neighbors=neighbours))


class _Labelled(NamedTuple):
    """Codes and labels as scikit-learn takes them."""

    z: np.ndarray[Any, Any]
    y: np.ndarray[Any, Any]


def _check_labelled(
    z_train: Tensor, y_train: Tensor, z_test: Tensor, y_test: Tensor
) -> tuple[_Labelled, _Labelled]:
    """Check codes with their labels, and move the origin to the mean of the training codes."""
    z_train = check_tensor("z_train", z_train, ("N", "d"), least=1, finite=True)
    y_train = check_tensor("y_train", y_train, ("N",), dtype=LABELS)
    check_same_length("z_train", z_train, "y_train", y_train)
    d = z_train.shape[1]
    z_test = check_tensor("z_test", z_test, ("N_test", d), least=1, finite=True)
    y_test = check_tensor("y_test", y_test, ("N_test",), dtype=LABELS)
    check_same_length("z_test", z_test, "y_test", y_test)
    check_unit("z_train", z_train)
    check_unit("z_test", z_test)
    origin = find_origin(z_train)
    return (
        _Labelled(centre(z_train, origin).numpy(), y_train.cpu().numpy()),
        _Labelled(centre(z_test, origin).numpy(), y_test.cpu().numpy()),
    )
