"""How far a reconstruction is from the data."""

from __future__ import annotations

from torch import Tensor

from vqvae_lib._checks import check_same_shape, check_tensor, check_unit

__all__ = ["mse"]


def mse(x: Tensor, x_hat: Tensor) -> float:
    """Mean squared error per pixel: the mean over the batch and over all dimensions.

    The best that a linear code of k numbers can do is ``PCA.fit(x_train, k).mse(x_test)``; see
    `vqvae_lib.PCA`.

    Parameters
    ----------
    x
        Data, finite, any shape with one axis or more.
    x_hat
        Reconstruction, the same shape.

    Returns
    -------
    float
        In the squared units of x, computed in float64. Times D it is what
        `vqvae_lib.squared_error` gives.

    Raises
    ------
    ValueError
        If the shapes differ, or a number is not finite.
    TypeError
        If an argument is not a tensor or an array of numbers.
    """
    x = check_tensor("x", x, least=1, finite=True)
    x_hat = check_tensor("x_hat", x_hat, least=1, finite=True)
    check_same_shape("x", x, "x_hat", x_hat)
    check_unit("x", x)
    check_unit("x_hat", x_hat)
    return (x.detach().double() - x_hat.detach().double()).square().mean().item()
