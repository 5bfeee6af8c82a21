"""What a code keeps of the data: the labels that can be read from it, and the neighbours.

Classifiers and neighbours are scikit-learn's, which is imported when a function is called.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from vqvae_lib._checks import LABELS, check_count, check_same_length, check_tensor

__all__ = ["knn_accuracy", "linear_probe_accuracy", "trustworthiness"]


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
    _check_labelled("train", z_train, y_train)
    _check_labelled("test", z_test, y_test, d=z_train.shape[1])
    neighbours = check_count("neighbours", neighbours, most=len(z_train))
    from sklearn.neighbors import KNeighborsClassifier

    vote = KNeighborsClassifier(n_neighbors=neighbours).fit(_to_numpy(z_train), _to_numpy(y_train))
    return float(vote.score(_to_numpy(z_test), _to_numpy(y_test)))


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
    _check_labelled("train", z_train, y_train)
    _check_labelled("test", z_test, y_test, d=z_train.shape[1])
    if len(y_train.unique()) < 2:
        raise ValueError(f"y_train has only the label {y_train[0].item()}: expected two or more")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(_to_numpy(z_train.double()), _to_numpy(y_train))
    return float(probe.score(_to_numpy(z_test.double()), _to_numpy(y_test)))


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
    check_tensor("x", x, ("N", "D"), finite=True)
    check_tensor("z", z, (len(x), "d"), finite=True)
    neighbours = check_count("neighbours", neighbours, most=(len(x) - 1) // 2)
    from sklearn.manifold import trustworthiness as score

    return float(score(_to_numpy(x.double()), _to_numpy(z.double()), n_neighbors=neighbours))


def _check_labelled(part: str, z: Tensor, y: Tensor, *, d: int | str = "d") -> None:
    check_tensor(f"z_{part}", z, ("N", d), least=1, finite=True)
    check_tensor(f"y_{part}", y, ("N",), dtype=LABELS)
    check_same_length(f"z_{part}", z, f"y_{part}", y)


def _to_numpy(values: Tensor) -> np.ndarray[Any, Any]:
    return values.detach().cpu().numpy()
