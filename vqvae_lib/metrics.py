"""Numbers that say how good a code is: reconstruction, PCA's floor, probes, angles."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["PCA", "knn_accuracy", "mse", "pca", "pca_floor", "principal_angles"]


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
        If shapes do not fit together.
    """
    for name, z, y in (("train", z_train, y_train), ("test", z_test, y_test)):
        if z.ndim != 2 or y.shape != z.shape[:1] or z.shape[1] != z_train.shape[1]:
            raise ValueError(
                f"z_{name} {tuple(z.shape)} and y_{name} {tuple(y.shape)}: expected (N, d) and "
                "(N,), the same d for training and test"
            )
    if not 1 <= neighbours <= len(z_train):
        raise ValueError(f"neighbours={neighbours}: expected 1 to {len(z_train)}, the codes given")
    from sklearn.neighbors import KNeighborsClassifier

    classifier = KNeighborsClassifier(n_neighbors=neighbours)
    classifier.fit(z_train.detach().cpu().numpy(), y_train.cpu().numpy())
    return float(classifier.score(z_test.detach().cpu().numpy(), y_test.cpu().numpy()))


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
