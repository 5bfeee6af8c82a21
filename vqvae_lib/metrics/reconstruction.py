"""How much of the data a reconstruction keeps, and PCA's floor, which is a closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["PCA", "mse", "pca", "pca_floor"]


def mse(x: Tensor, x_hat: Tensor) -> float:
    """Mean squared error per pixel: the mean over everything, batch and dimensions.

    Parameters
    ----------
    x
        Data, any shape.
    x_hat
        Reconstruction, the same shape.

    Returns
    -------
    float
        In the squared units of x. D times as much is `vqvae_lib.autoencoder.squared_error`.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if x.shape != x_hat.shape:
        raise ValueError(
            f"x {tuple(x.shape)} and x_hat {tuple(x_hat.shape)}: expected the same shape"
        )
    return (x.detach().double() - x_hat.detach().double()).square().mean().item()


@dataclass(frozen=True)
class PCA:
    """Principal components of a data set, made by `pca`.

    Attributes
    ----------
    mean
        Mean of the data, shape (D,).
    components
        The first k principal directions, one a row, orthonormal, shape (k, D). Each row's entry
        of largest size is positive, so that the signs do not depend on the machine.
    eigenvalues
        Variance along every direction, largest first, shape (D,). It is the variance with 1/N:
        ``eigenvalues[k:].sum()`` is the squared error, summed over the dimensions, that k
        components leave on the data they were computed from.
    """

    mean: Tensor
    components: Tensor
    eigenvalues: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """Coordinates in the principal directions: ``(B, D) -> (B, k)``."""
        return (x - self.mean) @ self.components.T

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct from coordinates: ``(B, k) -> (B, D)``."""
        return self.mean + z @ self.components

    def __repr__(self) -> str:
        k, D = self.components.shape
        return f"PCA(k={k}, D={D})"


def pca(x: Tensor, k: int) -> PCA:
    """Principal component analysis in closed form, by the eigenvectors of the covariance.

    Parameters
    ----------
    x
        Data, shape (N, D).
    k
        Number of components, 1 to D.

    Returns
    -------
    PCA
        Computed in float64, returned in the type of x.

    Raises
    ------
    ValueError
        If x is not (N, D) and finite, or k does not fit.
    """
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x has shape {tuple(x.shape)}: expected (N, D), neither zero")
    if not torch.isfinite(x).all():
        raise ValueError("x holds nan or inf: expected finite numbers")
    N, D = x.shape
    if not 1 <= k <= D:
        raise ValueError(f"k={k} does not fit x of shape {tuple(x.shape)}: expected 1 to {D}")
    mean = x.double().mean(dim=0)  # (D,)
    centred = x.double() - mean  # (N, D)
    eigenvalues, eigenvectors = torch.linalg.eigh(centred.T @ centred / N)  # (D,), (D, D)
    components = eigenvectors.flip(1).T[:k]  # largest first, one a row: (k, D)
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))  # (k, 1)
    components = components * largest.sign()
    eigenvalues = eigenvalues.flip(0).clamp(min=0)  # rounding leaves tiny negative ones
    return PCA(
        *(t.to(x.dtype).contiguous() for t in (mean, components, eigenvalues)),
    )


def pca_floor(x_train: Tensor, x_test: Tensor, k: int) -> float:
    """Test error of the best linear code of k dimensions: the floor other codes are held against.

    Parameters
    ----------
    x_train
        Data from which mean and components are computed, shape (N, D).
    x_test
        Data that is reconstructed, shape (N_test, D).
    k
        Number of components, 1 to D.

    Returns
    -------
    float
        Mean squared error per pixel on `x_test`.
    """
    if x_test.ndim != 2 or x_test.shape[1:] != x_train.shape[1:]:
        raise ValueError(
            f"x_test has shape {tuple(x_test.shape)}: expected (N_test, D) with the D of x_train, "
            f"which is {tuple(x_train.shape)}"
        )
    fitted, x = pca(x_train.double(), k), x_test.double()
    return mse(x, fitted.decode(fitted.encode(x)))
