"""What a code holds: labels that can be read from it, and the subspace that it spans."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["knn_accuracy", "linear_probe_accuracy", "principal_angles"]


def knn_accuracy(
    z_train: Tensor, y_train: Tensor, z_test: Tensor, y_test: Tensor, *, neighbours: int = 5
) -> float:
    """How well the labels can be read from the codes: accuracy of a nearest-neighbour vote.

    Parameters
    ----------
    z_train
        Codes of the labelled data, shape (N, d).
    y_train
        Their labels, shape (N,).
    z_test
        Codes to be labelled, shape (N_test, d).
    y_test
        Their true labels, shape (N_test,).
    neighbours
        How many neighbours vote, 1 to N.

    Returns
    -------
    float
        Share of right labels, 0 to 1.

    Raises
    ------
    ValueError
        If shapes do not fit together, or codes are not finite.
    TypeError
        If anything is no tensor.
    """
    _check_labelled(z_train, y_train, z_test, y_test)
    if not 1 <= neighbours <= len(z_train):
        raise ValueError(f"neighbours={neighbours}: expected 1 to {len(z_train)}, the codes given")
    from sklearn.neighbors import KNeighborsClassifier

    classifier = KNeighborsClassifier(n_neighbors=neighbours)
    return _accuracy(classifier, z_train, y_train, z_test, y_test)


def linear_probe_accuracy(
    z_train: Tensor, y_train: Tensor, z_test: Tensor, y_test: Tensor
) -> float:
    """How well a linear classifier reads the labels from the codes (Alain and Bengio 2016).

    The codes are standardised, by the mean and the standard deviation of the training codes, and
    a logistic regression is fitted with scikit-learn's default penalty (L2, C = 1). So the scale
    of a dimension does not matter, and one that is constant in training has no part in it. Beside
    `knn_accuracy` it tells labels that are there from labels that lie apart by planes.

    Parameters
    ----------
    z_train
        Codes of the labelled data, shape (N, d).
    y_train
        Their labels, shape (N,), two different ones or more.
    z_test
        Codes to be labelled, shape (N_test, d).
    y_test
        Their true labels, shape (N_test,).

    Returns
    -------
    float
        Share of right labels, 0 to 1. What guessing gives is the share of the commonest label.

    Raises
    ------
    ValueError
        If shapes do not fit together, codes are not finite, or all training labels are the same.
    TypeError
        If anything is no tensor.
    """
    _check_labelled(z_train, y_train, z_test, y_test)
    if len(y_train.unique()) < 2:
        raise ValueError(
            f"y_train holds only the label {y_train[0].item()}: expected two different ones or more"
        )
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return _accuracy(classifier, z_train.double(), y_train, z_test.double(), y_test)


def principal_angles(A: Tensor, B: Tensor) -> Tensor:
    """Angles between two subspaces, each spanned by the columns of a matrix.

    The smallest angle between a vector of one and a vector of the other, then the smallest among
    what is at right angles to those, and so on. All zero: one subspace lies in the other.

    Parameters
    ----------
    A
        Shape (D, a), independent columns, orthonormal or not.
    B
        Shape (D, b), likewise.

    Returns
    -------
    torch.Tensor
        min(a, b) angles in radians, 0 to pi/2, smallest first, float64.

    Raises
    ------
    ValueError
        If the shapes do not fit, or columns are linearly dependent.

    Notes
    -----
    The cosines are the singular values of ``Q_A^T Q_B``. Below 45 degrees the sines are used
    instead, since the arccosine of a number near 1 keeps half of the digits (Björck and Golub
    1973).

    Examples
    --------
    The x-y plane and a line in the x-z plane, 30 degrees above the first:

    >>> plane = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])  # (3, 2)
    >>> line = torch.tensor([[3.0**0.5], [0.0], [1.0]])  # (3, 1)
    >>> principal_angles(plane, line).rad2deg().round(decimals=3)
    tensor([30.], dtype=torch.float64)
    """
    if A.ndim != 2 or B.ndim != 2 or A.shape[0] != B.shape[0]:
        raise ValueError(
            f"A {tuple(A.shape)} and B {tuple(B.shape)}: expected (D, a) and (D, b), the same D"
        )
    Q_A, Q_B = _orthonormal("A", A), _orthonormal("B", B)
    if Q_A.shape[1] < Q_B.shape[1]:
        Q_A, Q_B = Q_B, Q_A  # the part of the smaller one outside the larger: min(a, b) sines
    overlap = Q_A.T @ Q_B  # (a, b)
    cosines = torch.linalg.svdvals(overlap).clamp(max=1)  # largest first, so smallest angle first
    sines = torch.linalg.svdvals(Q_B - Q_A @ overlap).clamp(max=1).flip(0)  # (D, b) -> (b,)
    return torch.where(cosines > 0.5**0.5, sines.arcsin(), cosines.arccos())


def _orthonormal(name: str, A: Tensor) -> Tensor:
    """Orthonormal basis of the column space, in float64: ``(D, a) -> (D, a)``."""
    A = A.detach().double()
    rank = int(torch.linalg.matrix_rank(A))
    if rank < A.shape[1]:
        raise ValueError(
            f"{name} {tuple(A.shape)} has rank {rank}: expected linearly independent columns"
        )
    return torch.linalg.qr(A).Q


def _check_labelled(z_train: Tensor, y_train: Tensor, z_test: Tensor, y_test: Tensor) -> None:
    """Refuse codes and labels that do not fit together."""
    for part, z, y in (("train", z_train, y_train), ("test", z_test, y_test)):
        for name, value in ((f"z_{part}", z), (f"y_{part}", y)):
            if not isinstance(value, Tensor):
                raise TypeError(f"{name} is a {type(value).__name__}: expected a torch.Tensor")
        if z.ndim != 2 or 0 in z.shape or y.shape != z.shape[:1] or z.shape[1] != z_train.shape[1]:
            raise ValueError(
                f"z_{part} {tuple(z.shape)} and y_{part} {tuple(y.shape)}: expected (N, d) and "
                "(N,), none zero, the same d for training and test"
            )
        if not z.isfinite().all():
            raise ValueError(f"z_{part} holds nan or inf: expected finite numbers")


def _accuracy(
    classifier: Any, z_train: Tensor, y_train: Tensor, z_test: Tensor, y_test: Tensor
) -> float:
    """Share of the test labels that a classifier of scikit-learn gets right, once fitted."""
    classifier.fit(z_train.detach().cpu().numpy(), y_train.cpu().numpy())
    return float(classifier.score(z_test.detach().cpu().numpy(), y_test.cpu().numpy()))
