"""Do two sets of samples come from one distribution? A distance between them, and a test.

The distance is the squared maximum mean discrepancy (MMD²), the squared distance between the mean
embeddings of two distributions under a kernel k. With x, x' from one and y, y' from the other,

    MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y),

zero if they are the same (and, for the kernel "rbf", only then). Two things to know:

- The estimates are unbiased, so that many of them are *negative* where the distributions are equal.
  Leave the sign: cut off at zero, their average is no longer right.
- A number means nothing by itself. Beside a model against real data belongs the *floor*: real data
  against other real data, with the same sizes, kernel and bandwidth.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from vqvae_lib._checks import check_count
from vqvae_lib.metrics.estimate import Estimate

__all__ = ["TwoSampleTest", "kid", "mmd2", "two_sample_test"]

Kernel = Literal["rbf", "polynomial"]


def mmd2(
    x: Tensor, y: Tensor, *, kernel: Kernel, bandwidth: float | Literal["median"] = "median"
) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy between two samples.

    Parameters
    ----------
    x
        Sample of one distribution, shape (N, D), N of at least 2.
    y
        Sample of the other, shape (M, D), M of at least 2.
    kernel
        "rbf" for ``exp(-|x - y|² / (2 σ²))`` with the bandwidth σ; "polynomial" for
        ``(xᵀy / D + 1)³``, which sees the first three moments (Bińkowski et al. 2018).
    bandwidth
        σ of "rbf", in the unit of x, or "median" for the median of the distances between all
        points of x and y together (of two in the middle, the smaller). Values with different σ
        cannot be compared: for several models give one number, such as the median of the real data
        alone, ``torch.pdist(x).median().item()``.

    Returns
    -------
    float
        Computed in float64. If both distributions are the same, zero on average and often below.
        To be held against a floor, real data against real data.

    Raises
    ------
    ValueError
        If shapes do not fit or values are not finite; if the kernel is unknown, the bandwidth not
        above 0 or given to a kernel that has none; if the median distance is zero.
    TypeError
        If x or y is no tensor.

    Notes
    -----
    Equation 3 of Gretton et al. 2012:

    ``Σ_{i≠j} k(x_i, x_j) / (N (N - 1)) + Σ_{i≠j} k(y_i, y_j) / (M (M - 1)) - 2 Σ_{ij} k(x_i, y_j)
    / (N M)``.

    With the pairs i = j (a "V-statistic") it is never negative, and where the distributions are
    equal too large by ``(1/N + 1/M) (E k(x, x) - E k(x, x'))`` on average. With the bandwidth
    "median" the kernel depends on the samples, and the estimate is unbiased only nearly.

    It takes the memory of a few matrices of (N + M)² numbers, 3 GB each for twice 10,000 samples;
    beyond, average over subsets, as `kid` does.

    Examples
    --------
    Two samples that lie apart, and a sample against itself. That is negative: each point is paired
    with itself between the samples, and not within them.

    >>> x = torch.tensor([[0.0], [1.0], [2.0]])  # (N, D) = (3, 1)
    >>> round(mmd2(x, x + 10, kernel="rbf", bandwidth=1.0), 3)
    0.899
    >>> round(mmd2(x, x, kernel="rbf", bandwidth=1.0), 3)
    -0.367
    """
    _check_samples(x=x, y=y)
    _check_kernel(kernel, bandwidth)
    k = _kernel_matrix(x, y, kernel, bandwidth)  # (N + M, N + M)
    in_x = torch.zeros(len(k), 1, dtype=k.dtype)
    in_x[: len(x)] = 1
    return _mmd2(k, in_x).item()


def kid(
    features_x: Tensor, features_y: Tensor, *, subsets: int, subset_size: int, seed: int
) -> Estimate:
    """Kernel distance between features of two samples: MMD² with the kernel ``(xᵀy / D + 1)³``.

    The average of `mmd2` with the polynomial kernel over random subsets, as in the kernel
    Inception distance (KID, Bińkowski et al. 2018), for features of your own network. Unlike the
    Fréchet distance (FID) it is unbiased at any number of samples, so that a subset's size changes
    the noise alone.

    Parameters
    ----------
    features_x
        Features of one sample, shape (N, D). They decide what is seen: numbers from different
        networks cannot be compared.
    features_y
        Features of the other, shape (M, D).
    subsets
        How many subsets are drawn, 2 or more.
    subset_size
        Samples in each, drawn without replacement from x and as many from y: 2 to min(N, M).
    seed
        Draws them.

    Returns
    -------
    Estimate
        Mean over the subsets and its standard error; negative where both are about the same. The
        error is that of drawing subsets from these data. It is the error for new data only while
        subsets hardly overlap, ``subsets * subset_size`` well below N and M; beyond, it shrinks
        with the number of subsets and the data's own error does not. So hold it against a floor,
        real data against real data, over several splits.

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite, or there are too few subsets or samples.
    TypeError
        If features are no tensor.
    """
    _check_samples(features_x=features_x, features_y=features_y)
    check_count("subsets", subsets, least=2)
    check_count("subset_size", subset_size, least=2)
    N, M = len(features_x), len(features_y)
    if subset_size > min(N, M):
        raise ValueError(
            f"subset_size={subset_size}: expected at most {min(N, M)}, features_x has {N} samples "
            f"and features_y {M}"
        )
    generator = torch.Generator().manual_seed(seed)
    values = torch.empty(subsets, dtype=torch.float64)
    for s in range(subsets):
        x = features_x[torch.randperm(N, generator=generator)[:subset_size]]  # (subset_size, D)
        y = features_y[torch.randperm(M, generator=generator)[:subset_size]]
        values[s] = mmd2(x, y, kernel="polynomial")
    return Estimate.of(values)


class TwoSampleTest(NamedTuple):
    """Outcome of `two_sample_test`.

    Attributes
    ----------
    mmd2
        The statistic, `mmd2` of the samples as they are.
    p_value
        Share of the ways of mixing the samples up that give as much or more, above 0 and up to 1.
    """

    mmd2: float
    p_value: float


def two_sample_test(
    x: Tensor,
    y: Tensor,
    *,
    kernel: Kernel,
    bandwidth: float | Literal["median"] = "median",
    permutations: int = 999,
    seed: int,
) -> TwoSampleTest:
    """Test whether two samples come from one distribution, by permutation of `mmd2`.

    If they do, it does not matter which points are called x: all splits of the points into N and M
    are equally likely. The p-value is ``(1 + number of permutations with as much or more) / (1 +
    permutations)``; 1 is added since the split at hand is one of them (Phipson and Smyth 2010), so
    a test at level α is wrong in at most α of all cases, with any number of permutations. Not to
    be rejected does not mean equal: the samples may be too few. And with enough of them every
    model is found out.

    Parameters
    ----------
    x
        Sample of one distribution, shape (N, D), N of at least 2; independent draws.
    y
        Sample of the other, shape (M, D), M of at least 2. Real data that the model was trained on
        are no fair x for it: take test data.
    kernel
        "rbf" or "polynomial", see `mmd2`.
    bandwidth
        As in `mmd2`. The median is taken once of all points, which no permutation changes.
    permutations
        How many are drawn. The smallest p-value is 1 / (1 + permutations).
    seed
        Draws them.

    Returns
    -------
    TwoSampleTest
        ``mmd2`` and ``p_value``.

    Raises
    ------
    ValueError
        As `mmd2`, or if there is no permutation.
    TypeError
        If x or y is no tensor.
    """
    _check_samples(x=x, y=y)
    _check_kernel(kernel, bandwidth)
    check_count("permutations", permutations, least=1)
    k = _kernel_matrix(x, y, kernel, bandwidth)  # (N + M, N + M)
    generator = torch.Generator().manual_seed(seed)
    in_x = torch.zeros(len(k), 1 + permutations, dtype=k.dtype)  # a split in each column
    in_x[: len(x), 0] = 1  # the one at hand
    for column in range(1, 1 + permutations):
        in_x[torch.randperm(len(k), generator=generator)[: len(x)], column] = 1
    found = _mmd2(k, in_x)  # (1 + permutations,)
    # Where x and y only change places the value is the same but for rounding: a tie.
    rounding = 1e-12 * k.abs().max()
    as_much = found >= found[0] - rounding  # the first, true, is the 1 that is added
    return TwoSampleTest(found[0].item(), as_much.double().mean().item())


def _kernel_matrix(
    x: Tensor, y: Tensor, kernel: Kernel, bandwidth: float | Literal["median"]
) -> Tensor:
    """Kernel between all points, those of x first: ``(N, D), (M, D) -> (N + M, N + M)``.

    In float64, with zeros on the diagonal, which no sum of equation 3 contains.
    """
    points = torch.cat([t.detach().to("cpu", torch.float64) for t in (x, y)])  # (N + M, D)
    if kernel == "polynomial":
        k = (points @ points.T / points.shape[1] + 1) ** 3
    else:
        distances2 = _squared_distances(points)
        variance = _median(distances2) if bandwidth == "median" else bandwidth**2  # σ²
        k = (-0.5 * distances2 / variance).exp()
    return k.fill_diagonal_(0)


def _squared_distances(points: Tensor) -> Tensor:
    """``|a|² + |b|² - 2 aᵀb`` for all pairs, one matrix product: ``(P, D) -> (P, P)``."""
    points = points - points[0]  # far from the origin the terms would cancel
    squares = points.square().sum(dim=1)  # (P, D) -> (P,)
    return (squares[:, None] + squares - 2 * points @ points.T).clamp(min=0)


def _median(distances2: Tensor) -> float:
    """Median of the squared distances between different points: ``(P, P) -> ()``."""
    pairs = torch.ones_like(distances2, dtype=torch.bool).triu(diagonal=1)  # i < j
    median = distances2[pairs].median().item()
    if median <= 1e-12 * distances2.max().item():  # equal points are so near, by rounding
        raise ValueError(
            "bandwidth='median' is 0, half of all pairs of points are equal: expected samples that "
            "differ, or a number"
        )
    return median


def _mmd2(k: Tensor, in_x: Tensor) -> Tensor:
    """Equation 3 for R splits of the same points: ``(P, P), (P, R) -> (R,)``.

    `k` has zeros on its diagonal; `in_x` is 1 where a point belongs to x, 0 where it belongs to y.
    """
    in_y = 1 - in_x
    N, M = in_x.sum(dim=0), in_y.sum(dim=0)  # (R,)
    to_x = k @ in_x  # what each point has in common with x: (P, P) x (P, R) -> (P, R)
    to_y = k.sum(dim=1, keepdim=True) - to_x  # and with y
    within_x = (in_x * to_x).sum(dim=0) / (N * (N - 1))  # (P, R) -> (R,)
    within_y = (in_y * to_y).sum(dim=0) / (M * (M - 1))
    between = (in_x * to_y).sum(dim=0) / (N * M)
    return within_x + within_y - 2 * between


def _check_samples(**samples: Tensor) -> None:
    D = None
    for name, sample in samples.items():
        if not isinstance(sample, Tensor):
            raise TypeError(f"{name} is a {type(sample).__name__}: expected a torch.Tensor")
        if sample.ndim != 2 or len(sample) < 2 or sample.shape[1] == 0:
            raise ValueError(
                f"{name} has shape {tuple(sample.shape)}: expected (N, D), N of at least 2"
            )
        if not sample.isfinite().all():
            raise ValueError(f"{name} holds nan or inf: expected finite numbers")
        D = D or sample.shape[1]
        if sample.shape[1] != D:
            raise ValueError(
                f"{name} has shape {tuple(sample.shape)}: expected (M, {D}), the D of the other"
            )


def _check_kernel(kernel: Kernel, bandwidth: float | Literal["median"]) -> None:
    if kernel not in get_args(Kernel):
        raise ValueError(f"kernel={kernel!r}: expected one of {', '.join(get_args(Kernel))}")
    if bandwidth == "median":
        return
    if kernel != "rbf":
        raise ValueError(f"bandwidth={bandwidth!r} with kernel={kernel!r}, which has none")
    if not isinstance(bandwidth, int | float) or not 0 < bandwidth < math.inf:
        raise ValueError(f"bandwidth={bandwidth!r}: expected 'median' or a number above 0")
