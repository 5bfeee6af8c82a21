"""How far apart two sets of samples are, such as a model's draws and real data."""

from __future__ import annotations

import torch
from torch import Tensor

from vqvae_lib._checks import check_number, check_tensor, check_unit

__all__ = ["mmd2"]


def mmd2(x: Tensor, y: Tensor, *, bandwidth: float) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy between two distributions.

    With x, x' from one, y, y' from the other, and the kernel ``k(a, b) = exp(-|a - b|² / (2 σ²))``,

        MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y),

    which is zero only if the two are the same. A number means little by itself. Compare it with the
    *floor*: real data against other real data, with the same sizes and bandwidth.

    Parameters
    ----------
    x
        Sample of one distribution, shape (N, D), two rows or more.
    y
        Sample of the other, shape (M, D), two rows or more.
    bandwidth
        σ, in the unit of x, above 0. A common choice is the median distance between real data,
        ``torch.pdist(x).median().item()``. Values with different σ can't be compared.

    Returns
    -------
    float
        Computed in float64. For equal distributions it is zero on average, and so often negative.
        Keep the sign: if negative values are set to zero, the average is no longer right.

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, or the bandwidth is out of range.
    TypeError
        If x or y is not a tensor of floating-point numbers.

    Notes
    -----
    Equation 3 of Gretton et al. 2012. Averages within a sample leave out the pairs of a point with
    itself, whose kernel is 1: with them, the estimate would be too large for equal distributions.

    Examples
    --------
    Two samples far apart, and a sample against itself. The latter is negative, because each point
    meets itself between the samples and not within them.

    >>> x = torch.tensor([[0.0], [1.0], [2.0]])  # (N, D) = (3, 1)
    >>> round(mmd2(x, x + 10, bandwidth=1.0), 3)
    0.899
    >>> round(mmd2(x, x, bandwidth=1.0), 3)
    -0.367
    """
    x = check_tensor("x", x, ("N", "D"), least=2, finite=True).detach().double()
    y = check_tensor("y", y, ("M", x.shape[1]), least=2, finite=True).detach().double()
    check_unit("x", x)
    check_unit("y", y)
    bandwidth = check_number("bandwidth", bandwidth, above=0)
    N, M = len(x), len(y)
    within_x = (_sum_kernel(x, x, bandwidth) - N) / (N * (N - 1))
    within_y = (_sum_kernel(y, y, bandwidth) - M) / (M * (M - 1))
    between = _sum_kernel(x, y, bandwidth) / (N * M)
    return (within_x + within_y - 2 * between).item()


def _sum_kernel(a: Tensor, b: Tensor, bandwidth: float) -> Tensor:
    """Sum over all pairs: ``(N, D), (M, D) -> ()``, at most 1024 by M of them at a time."""
    total = a.new_zeros(())
    for rows in a.split(1024):
        # Without the matrix product, whose differences lose digits far from the origin.
        distances = torch.cdist(rows, b, compute_mode="donot_use_mm_for_euclid_dist")
        total += (-0.5 * (distances / bandwidth).square()).exp().sum()
    return total
