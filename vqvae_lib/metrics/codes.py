"""What a code holds: labels that can be read from it, and the subspace that it spans."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqvae_lib._checks import check_count

__all__ = [
    "IntrinsicDimension",
    "intrinsic_dimension",
    "knn_accuracy",
    "linear_probe_accuracy",
    "principal_angles",
    "trustworthiness",
]


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


def trustworthiness(x: Tensor, z: Tensor, *, neighbours: int = 5) -> float:
    """How far the neighbours of a code can be trusted to be neighbours in the data.

    Of each code its k nearest are looked up. One that is not among the k nearest in the data is an
    intruder, and counts by how far down it is in the data's own order of neighbours: with k + 1
    for one, with k + 2 for two. The sum is scaled so that 1 means no intruder, 0 the worst
    possible (Venna and Kaski 2001). What it does not see is the opposite mistake, neighbours in
    the data that the codes have torn apart; for that give the arguments the other way round,
    which is called continuity.

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
        0 to 1. Codes in a random order have about 0.5.

    Raises
    ------
    ValueError
        If shapes do not fit together, a number is not finite, or `neighbours` is out of range.
    TypeError
        If anything is no tensor.
    """
    for name, value in (("x", x), ("z", z)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} is a {type(value).__name__}: expected a torch.Tensor")
        if value.ndim != 2 or 0 in value.shape or len(value) != len(x):
            raise ValueError(
                f"x {tuple(x.shape)} and z {tuple(z.shape)}: expected (N, D) and (N, d), none zero"
            )
        if not value.isfinite().all():
            raise ValueError(f"{name} holds nan or inf: expected finite numbers")
    check_count("neighbours", neighbours)
    if neighbours >= len(x) / 2:
        raise ValueError(f"neighbours={neighbours}: expected fewer than half of the {len(x)} rows")
    from sklearn.manifold import trustworthiness as by_sklearn

    rows = x.detach().cpu().double().numpy(), z.detach().cpu().double().numpy()
    return float(by_sklearn(*rows, n_neighbors=neighbours))


class IntrinsicDimension(NamedTuple):
    """A number of dimensions, estimated by `intrinsic_dimension`.

    Attributes
    ----------
    estimate
        Of the dimension; rarely a whole number.
    low, high
        Ends of the interval. It is about the scatter of the ratios alone, not about what biases
        them: noise, edges, curvature.
    """

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        """As a sentence prints it: ``4.8 [4.6, 5.1]``."""
        return f"{self.estimate:.1f} [{self.low:.1f}, {self.high:.1f}]"


def intrinsic_dimension(
    x: Tensor, *, keep: float = 0.9, confidence: float = 0.95
) -> IntrinsicDimension:
    """In how many directions the data vary, near each of them: TwoNN (Facco et al. 2017).

    If data have about the same density as far as the second neighbour of each, in d dimensions,
    then the ratio of the distances to second and first neighbour has the Pareto distribution
    ``P(ratio > t) = t**-d``, whatever the density and however the surface lies in space. So log
    ratios are exponential with rate d, and the maximum-likelihood estimate is one over their mean.

    The largest ratios are the least reliable. Of those above the quantile `keep` only that they
    are large is used (censored data), which keeps estimate and interval right.

    Parameters
    ----------
    x
        Different rows, shape (N, D). Computed in float64. Memory grows with N².
    keep
        Share of the ratios whose value is used, above 0, at most 1.
    confidence
        Of the interval, between 0 and 1. It takes the ratios for independent, which two points
        that are each other's neighbours are not quite.

    Returns
    -------
    IntrinsicDimension
        ``estimate``, ``low``, ``high``.

    Raises
    ------
    ValueError
        If x is not (N, D) and finite with three rows or more, two rows are the same, or a number
        is out of range.
    TypeError
        If x is no tensor.

    Notes
    -----
    What it measures depends on scale: the distance to the nearest neighbours. Where noise is of
    that size it is the noise's dimension that is found. And in many dimensions the estimate is
    too low, unless N grows exponentially with them.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}: expected a torch.Tensor")
    if x.ndim != 2 or len(x) < 3 or x.shape[1] == 0 or not x.isfinite().all():
        raise ValueError(
            f"x has shape {tuple(x.shape)}: expected (N, D), three rows or more, finite"
        )
    if not 0 < keep <= 1 or not 0 < confidence < 1:
        raise ValueError(
            f"keep={keep!r}, confidence={confidence!r}: expected 0 < keep <= 1 and "
            "0 < confidence < 1"
        )
    from scipy.stats import chi2
    from sklearn.neighbors import NearestNeighbors

    rows = x.detach().cpu().double().numpy()
    # Asked for the neighbours of its own rows, it leaves out each row itself: (N, 2).
    distances = torch.from_numpy(NearestNeighbors(n_neighbors=2).fit(rows).kneighbors()[0])
    first, second = distances[:, 0], distances[:, 1]
    if (first == 0).any():
        raise ValueError(
            f"{int((first == 0).sum())} rows of x occur more than once: expected different ones"
        )
    logs = (second / first).log().sort().values  # (N,)
    N = len(logs)
    used = max(1, int(keep * N))
    # Log-likelihood: used * log d - d * total, with what is known of the censored ones in total.
    total = float(logs[:used].sum() + (N - used) * logs[used - 1])
    # 2 d total is chi-squared with 2 used degrees of freedom.
    low, high = (
        float(chi2.ppf(q, 2 * used)) / (2 * total)
        for q in ((1 - confidence) / 2, (1 + confidence) / 2)
    )
    return IntrinsicDimension(used / total, low, high)


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
