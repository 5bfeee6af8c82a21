"""The geometry of data and codes: how many dimensions they have, and how subspaces lie."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vqvae_lib._checks import check_number, check_tensor, check_unit

__all__ = ["IntrinsicDimension", "intrinsic_dimension", "principal_angles"]


class IntrinsicDimension(NamedTuple):
    """An estimated number of dimensions, with its 95 % confidence interval.

    Attributes
    ----------
    estimate
        Rarely a whole number.
    low, high
        Ends of the interval. They reflect how much the ratios of distances scatter, not what
        biases them: noise, edges, curvature.
    """

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        """As a sentence prints it: ``4.8 [4.6, 5.1]``."""
        return f"{self.estimate:.1f} [{self.low:.1f}, {self.high:.1f}]"


def intrinsic_dimension(x: Tensor, *, keep: float = 0.9) -> IntrinsicDimension:
    """Estimate in how many directions the data vary locally: TwoNN (Facco et al. 2017).

    Suppose the density hardly changes between a point and its second neighbour. Then in d
    dimensions the ratio of the distances to the second and the first neighbour has the Pareto
    distribution ``P(ratio > t) = t**-d``, whatever the density and however the surface bends. The
    logarithms of the ratios are exponential with rate d, and the maximum-likelihood estimate of d
    is one over their mean.

    Parameters
    ----------
    x
        Distinct rows, shape (N, D), three or more.
    keep
        Share of the ratios whose value counts, above 0, at most 1. The largest are the least
        reliable; of those only the fact that they are larger than the rest is used (censoring).

    Returns
    -------
    IntrinsicDimension
        Computed in float64. The interval treats the ratios as independent, which they are not
        quite: two points can be each other's neighbours.

    Raises
    ------
    ValueError
        If the shape does not fit, a number is not finite, two rows are equal, or `keep` is out of
        range.
    TypeError
        If x is not a tensor of floating-point numbers.

    Notes
    -----
    The answer depends on scale. Where noise is as large as the distance between neighbours, the
    estimate is the noise's dimension. And in many dimensions it is too low, unless N grows
    exponentially with them.
    """
    x = check_tensor("x", x, ("N", "D"), least=3, finite=True)
    check_unit("x", x)
    keep = check_number("keep", keep, above=0, most=1)
    from scipy.stats import chi2

    log_ratios = _measure_neighbour_log_ratios(x)  # (N,), smallest first
    N = len(log_ratios)
    n_exact = max(1, int(keep * N))
    # Log-likelihood: n_exact log d - d total. A censored ratio counts as the largest exact one.
    total = float(log_ratios[:n_exact].sum() + (N - n_exact) * log_ratios[n_exact - 1])
    # 2 d total is chi-squared with 2 n_exact degrees of freedom.
    low, high = chi2.ppf([0.025, 0.975], 2 * n_exact) / (2 * total)
    return IntrinsicDimension(n_exact / total, float(low), float(high))


def _measure_neighbour_log_ratios(x: Tensor) -> Tensor:
    """Log of second over first neighbour's distance, smallest first: ``(N, D) -> (N,)``."""
    from sklearn.neighbors import NearestNeighbors

    # Called without rows, kneighbors leaves out each point itself.
    rows = centre(x).numpy()
    distances, _ = NearestNeighbors(n_neighbors=2).fit(rows).kneighbors()  # (N, 2)
    repeats = int((distances[:, 0] == 0).sum())
    if repeats:
        raise ValueError(f"{repeats} rows of x occur more than once: expected distinct rows")
    return torch.from_numpy(distances[:, 1] / distances[:, 0]).log().sort().values


def find_origin(x: Tensor) -> Tensor:
    """Find a point in the middle of rows: ``(N, D) -> (D,)``, in float64, on the CPU.

    Distances are often computed as ``x² - 2 x·y + y²``, whose digits are lost where rows lie far
    from 0. To measure the rows from here does not change the distances, but it does change that.
    The point is their mean, rounded to a multiple of a power of two near their spread. So pixels
    such as 3/16 keep all their digits, and equal distances stay equal.
    """
    rows = x.detach().cpu().double()
    mean = rows.mean(dim=0)
    spread = (rows - mean).abs().max().item()
    unit = 2.0 ** math.floor(math.log2(spread)) if spread > 0 else 1.0
    return (mean / unit).round() * unit


def centre(x: Tensor, origin: Tensor | None = None) -> Tensor:
    """Measure rows from an origin, their own if none is given: ``(N, D) -> (N, D)``, float64."""
    return x.detach().cpu().double() - (find_origin(x) if origin is None else origin)


def principal_angles(A: Tensor, B: Tensor) -> Tensor:
    """Angles between two subspaces, each spanned by the columns of a matrix.

    The first is the smallest angle between a vector of one and a vector of the other; the next is
    the smallest among vectors at right angles to that pair, and so on. If all are zero, one
    subspace lies within the other.

    Parameters
    ----------
    A, B
        Linearly independent columns, orthonormal or not, shapes (D, a) and (D, b).

    Returns
    -------
    torch.Tensor
        min(a, b) angles in radians, 0 to π/2, smallest first, float64.

    Raises
    ------
    ValueError
        If the shapes do not fit, or columns are linearly dependent.
    TypeError
        If A or B is not a tensor of floating-point numbers.

    Notes
    -----
    The cosines are the singular values of ``Q_Aᵀ Q_B``. Below 45 degrees the angle is taken from
    its sine, since the arccosine of a number near 1 loses half of the digits (Björck and Golub
    1973).

    Examples
    --------
    The x-y plane, and a line in the x-z plane 30 degrees above it:

    >>> plane = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])  # (3, 2)
    >>> line = torch.tensor([[3.0**0.5], [0.0], [1.0]])  # (3, 1)
    >>> principal_angles(plane, line).rad2deg().round(decimals=3)
    tensor([30.], dtype=torch.float64)
    """
    A = check_tensor("A", A, ("D", "a"), least=1, finite=True)
    B = check_tensor("B", B, (len(A), "b"), finite=True)
    Q_A, Q_B = _orthonormalise("A", A), _orthonormalise("B", B)
    if Q_A.shape[1] < Q_B.shape[1]:
        Q_A, Q_B = Q_B, Q_A  # so that the smaller subspace, Q_B, gives min(a, b) sines
    overlap = Q_A.T @ Q_B  # (a, b)
    cosines = torch.linalg.svdvals(overlap).clamp(max=1)  # largest first, so smallest angle first
    sines = torch.linalg.svdvals(Q_B - Q_A @ overlap).clamp(max=1).flip(0)  # (D, b) -> (b,)
    return torch.where(cosines > 0.5**0.5, sines.arcsin(), cosines.arccos())


def _orthonormalise(name: str, A: Tensor) -> Tensor:
    """Orthonormal basis of the column space, in float64: ``(D, a) -> (D, a)``."""
    A = A.detach().double()
    rank = int(torch.linalg.matrix_rank(A))
    if rank < A.shape[1]:
        raise ValueError(
            f"{name} has shape {tuple(A.shape)} and rank {rank}: expected linearly independent "
            "columns"
        )
    return torch.linalg.qr(A).Q
