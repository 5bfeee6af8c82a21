"""Exact linear-Gaussian models: the optimum a network must reach, and the rival it must beat.

Each is fitted in closed form, with no network and no training run.

- `PCA` is the best linear autoencoder: on its own data no trained one can pass its error.
- `ProbabilisticPCA` is the VAE that can be solved: PCA's directions as decoder, an exact posterior
  as encoder, and an exact log p(x) where a VAE has a bound.
- `FullGaussian` keeps every covariance between pixels and has no code. What it says about hidden
  pixels is exact, and on small images it is hard to beat.

They are one family. Probabilistic PCA is PCA with Gaussian noise in the directions that PCA leaves
out; its distribution of x is a full Gaussian, and so is its posterior.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vqvae_lib._checks import (
    check_count,
    check_generator,
    check_number,
    check_same_shape,
    check_tensor,
    check_unit,
    raise_if_any,
)
from vqvae_lib.bounds import gaussian_log_prob
from vqvae_lib.metrics import mse

__all__ = ["PCA", "FullGaussian", "ProbabilisticPCA"]

_MOST_DIMENSIONS = 20_000  # whose covariance takes 3.2 GB


@dataclass(frozen=True, eq=False)
class PCA:
    """Principal component analysis: the linear code of k numbers that loses least.

    Attributes
    ----------
    mean
        Mean of the data, shape (D,).
    components
        The first k principal directions, one per row, orthonormal, shape (k, D). The entry of
        largest magnitude in each row is positive, so the signs do not depend on the machine.
    eigenvalues
        Variance along every principal direction, largest first, shape (D,). As it is computed with
        1/N, ``eigenvalues[k:].sum()`` is the squared error, summed over the dimensions, that k
        components leave on the data they were fitted to.
    """

    mean: Tensor
    components: Tensor
    eigenvalues: Tensor

    def __post_init__(self) -> None:
        mean = check_tensor("mean", self.mean, ("D",), finite=True)
        shape = ("k", len(mean))
        components = check_tensor("components", self.components, shape, like=mean, finite=True)
        eigenvalues = check_tensor(
            "eigenvalues", self.eigenvalues, (len(mean),), like=mean, finite=True
        )
        _set(self, mean=mean, components=components, eigenvalues=eigenvalues)

    @classmethod
    def fit(cls, x: Tensor, k: int) -> PCA:
        """Diagonalise the covariance of the data.

        Parameters
        ----------
        x
            Data, shape (N, D), two rows or more.
        k
            Number of components, 1 to D.

        Returns
        -------
        PCA
            Computed in float64 and returned in the dtype of x, because the codes of data are data
            (of whole numbers, in torch's default dtype).

        Raises
        ------
        ValueError
            If x is not (N, D) and finite, or k is out of range.
        TypeError
            If x is not a tensor of floating-point numbers.
        """
        x = check_tensor("x", x, ("N", "D"), least=2, finite=True)
        mean, covariance = _fit_moments(x)  # (D,), (D, D)
        k = check_count("k", k, most=len(mean))
        eigenvalues, axes = torch.linalg.eigh(covariance)  # smallest first, one axis per column
        components = axes.flip(1).T[:k]  # largest first, one per row: (k, D)
        peaks = components.gather(1, components.abs().argmax(dim=1, keepdim=True))  # (k, 1)
        components = components * peaks.sign()
        eigenvalues = eigenvalues.flip(0).clamp(min=0)  # rounding leaves tiny negative ones
        if eigenvalues[0] > torch.finfo(x.dtype).max:
            raise ValueError(f"x has a variance of {eigenvalues[0]:.3g}: expected another unit")
        return cls(*(t.to(x.dtype).contiguous() for t in (mean, components, eigenvalues)))

    def encode(self, x: Tensor) -> Tensor:
        """Project on the principal directions: ``(B, D) -> (B, k)``, in the dtype of the fit."""
        x = check_tensor("x", x, ("B", len(self.mean)), like=self.mean, finite=True)
        return (x - self.mean) @ self.components.T

    def decode(self, z: Tensor) -> Tensor:
        """Return to the data space: ``(B, k) -> (B, D)``."""
        z = check_tensor("z", z, ("B", len(self.components)), like=self.mean, finite=True)
        return self.mean + z @ self.components

    def mse(self, x: Tensor) -> float:
        """Mean squared error per pixel that k components leave: the floor for other codes of k.

        Parameters
        ----------
        x
            Data to be reconstructed, usually held-out, shape (B, D).
        """
        x = check_tensor("x", x, ("B", len(self.mean)), least=1, finite=True)
        return mse(x, self.decode(self.encode(x)))

    def __repr__(self) -> str:
        k, D = self.components.shape
        return f"PCA(k={k}, D={D})"


@dataclass(frozen=True, eq=False)
class ProbabilisticPCA:
    """Probabilistic PCA: z ~ N(0, I) and x = mean + W z + noise (Tipping and Bishop 1999).

    Attributes
    ----------
    mean
        Shape (D,).
    W
        The linear decoder, shape (D, d).
    noise_variance
        Of each pixel, above 0.
    """

    mean: Tensor
    W: Tensor
    noise_variance: float

    def __post_init__(self) -> None:
        mean = check_tensor("mean", self.mean, ("D",), finite=True)
        W = check_tensor("W", self.W, (len(mean), "d"), like=mean, finite=True)
        noise_variance = check_number("noise_variance", self.noise_variance, above=0)
        _set(self, mean=mean, W=W, noise_variance=noise_variance)

    @classmethod
    def fit(cls, x: Tensor, d: int) -> ProbabilisticPCA:
        """Maximise the likelihood, in closed form.

        The noise variance is the mean of the D - d smallest eigenvalues of the covariance, and
        column i of W is the i-th principal direction times ``sqrt(λ_i - noise_variance)``.

        Parameters
        ----------
        x
            Data, shape (N, D), two rows or more.
        d
            Latent dimension, 1 to D - 1.

        Returns
        -------
        ProbabilisticPCA
            In float64.

        Raises
        ------
        ValueError
            If x is not (N, D) and finite, d is out of range, or d dimensions hold all of the data,
            so that no noise is left to fit.
        TypeError
            If x is not a tensor of floating-point numbers.
        """
        x = check_tensor("x", x, ("N", "D"), least=2, finite=True).double()
        d = check_count("d", d, most=x.shape[1] - 1)
        pca = PCA.fit(x, d)
        noise_variance = pca.eigenvalues[d:].mean().item()
        if noise_variance <= torch.finfo(x.dtype).eps * pca.eigenvalues[0]:
            raise ValueError(f"d={d}: x lies within d dimensions exactly, expected a smaller d")
        scale = (pca.eigenvalues[:d] - noise_variance).clamp(min=0).sqrt()  # (d,)
        return cls(pca.mean, pca.components.T * scale, noise_variance)

    def marginal(self) -> FullGaussian:
        """Distribution of x with z integrated out: ``N(mean, W Wᵀ + noise_variance I)``."""
        return FullGaussian(self.mean, _add_to_diagonal(self.W @ self.W.T, self.noise_variance))

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Exact log p(x), in nats: ``(B, D) -> (B,)``."""
        return self.marginal().log_likelihood(x)

    def posterior(self, x: Tensor) -> FullGaussian:
        """Exact p(z|x): means, shape (B, d), and the covariance that all x share, shape (d, d).

        With ``M = Wᵀ W + noise_variance I`` the means are ``M⁻¹ Wᵀ (x - mean)`` and the covariance
        is ``noise_variance M⁻¹``.
        """
        x = check_tensor("x", x, ("B", len(self.mean)), like=self.mean, finite=True)
        inverse = torch.linalg.inv(_add_to_diagonal(self.W.T @ self.W, self.noise_variance))
        means = (x - self.mean) @ self.W @ inverse  # (B, D) x (D, d) x (d, d) -> (B, d)
        return FullGaussian(means, self.noise_variance * inverse)

    def encode(self, x: Tensor) -> Tensor:
        """Mean of p(z|x): ``(B, D) -> (B, d)``. The prior pulls it from PCA's code towards zero."""
        return self.posterior(x).mean

    def decode(self, z: Tensor) -> Tensor:
        """Mean of p(x|z): ``(B, d) -> (B, D)``."""
        z = check_tensor("z", z, ("B", self.W.shape[1]), like=self.mean, finite=True)
        return self.mean + z @ self.W.T

    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw n samples of x, noise included: ``-> (n, D)``."""
        return self.marginal().sample(n, generator=generator)

    def __repr__(self) -> str:
        D, d = self.W.shape
        return f"ProbabilisticPCA(d={d}, D={D}, noise_variance={self.noise_variance:.4g})"


@dataclass(frozen=True, eq=False)
class FullGaussian:
    """A Gaussian with full covariance, or several that share theirs: N(mean, covariance).

    Attributes
    ----------
    mean
        Shape (D,), or (B, D) for one Gaussian per image.
    covariance
        Shape (D, D), symmetric. It may be singular: along a direction that is known exactly there
        is no variance.
    """

    mean: Tensor
    covariance: Tensor

    def __post_init__(self) -> None:
        covariance = check_tensor("covariance", self.covariance, ("D", "D"), finite=True)
        D = len(covariance)
        check_tensor("covariance", covariance, (D, D))
        mean = check_tensor("mean", self.mean, (..., D), like=covariance, finite=True)
        _set(self, mean=mean, covariance=covariance)

    @classmethod
    def fit(cls, x: Tensor, *, ridge: float = 1e-3) -> FullGaussian:
        """Take mean and covariance from data.

        Parameters
        ----------
        x
            Data, shape (N, D), two rows or more.
        ridge
            Added to every variance, above 0. Without it a pixel that never changes would leave the
            covariance without an inverse, and few data would make it noisy.

        Returns
        -------
        FullGaussian
            In float64.

        Raises
        ------
        ValueError
            If x is not (N, D) and finite, or the ridge is out of range.
        TypeError
            If x is not a tensor of floating-point numbers.
        """
        mean, covariance = _fit_moments(x)
        return cls(mean, _add_to_diagonal(covariance, check_number("ridge", ridge, above=0)))

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Exact log-density, in nats: ``(B, D) -> (B,)``.

        Raises
        ------
        ValueError
            If x does not fit, or the covariance is singular, where there is no density.
        """
        x = check_tensor("x", x, ("B", len(self.covariance)), like=self.mean, finite=True)
        if self.mean.ndim > 1:  # one Gaussian per image
            check_same_shape("x", x, "mean", self.mean)
        root = _factorise(self.covariance)
        # A change of variables to N(0, I): one triangular solve, and the root's determinant.
        centred = x - self.mean  # (B, D)
        white = torch.linalg.solve_triangular(root, centred.T, upper=False).T  # (B, D)
        return gaussian_log_prob(white) - root.diagonal().log().sum()

    def condition(
        self, measurements: Tensor, A: Tensor, *, noise_variance: float = 0.0
    ) -> FullGaussian:
        """Distribution of x, given ``measurements = A x + noise``: one Gaussian per row of these.

        Parameters
        ----------
        measurements
            Shape (B, k).
        A
            What was measured, shape (k, D), independent rows. A row of the unit matrix is a pixel,
            an average over a block is a pixel of a smaller image.
        noise_variance
            Of each measurement, 0 or more.

        Returns
        -------
        FullGaussian
            Means, shape (B, D), and the covariance that all share.

        Raises
        ------
        ValueError
            If shapes do not fit, a measurement is not finite, the noise variance is negative, or
            measurements without noise repeat each other.

        Notes
        -----
        With ``G = C Aᵀ (A C Aᵀ + noise_variance I)⁻¹`` the mean is ``m + G (measurements - A m)``
        and the covariance ``C - G A C`` (Bishop 2006, section 2.3).
        """
        A = check_tensor("A", A, ("k", len(self.covariance)), like=self.mean, finite=True)
        measurements = check_tensor(
            "measurements", measurements, ("B", len(A)), like=self.mean, finite=True
        )
        noise_variance = check_number("noise_variance", noise_variance, least=0)
        CA = self.covariance @ A.T  # (D, k)
        root = _factorise(_add_to_diagonal(A @ CA, noise_variance))  # (k, k)
        gain = torch.cholesky_solve(CA.T, root).T  # (D, k)
        surprise = measurements - self.mean @ A.T  # (B, k)
        return FullGaussian(self.mean + surprise @ gain.T, self.covariance - gain @ CA.T)

    def inpaint(self, x: Tensor, observed: Tensor) -> FullGaussian:
        """Distribution of whole images, given some of their pixels.

        Parameters
        ----------
        x
            Images, shape (B, D). Hidden pixels may hold anything.
        observed
            Which pixels are seen, booleans, shape (D,).

        Returns
        -------
        FullGaussian
            As from `condition`. Observed pixels keep their value, and have no variance.
        """
        D = len(self.covariance)
        x = check_tensor("x", x, ("B", D), like=self.mean)
        observed = check_tensor("observed", observed, (D,), dtype=torch.bool)
        raise_if_any("x", x, ~x.isfinite() & observed, "finite numbers where it is observed")
        pixels = torch.eye(D, dtype=self.mean.dtype, device=self.mean.device)[observed]  # (k, D)
        return self.condition(x[:, observed], pixels)

    def sample(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw: ``-> (n, D)``, or ``(n, B, D)`` where each image has a mean of its own."""
        n = check_count("n", n)
        check_generator("generator", generator)
        # Not Cholesky: along directions that are known the variance is zero, up to rounding.
        variances, axes = torch.linalg.eigh(self.covariance)
        root = axes * variances.clamp(min=0).sqrt()  # (D, D)
        noise = self.mean.new_empty(n, *self.mean.shape).normal_(generator=generator)
        return self.mean + noise @ root.T

    def __repr__(self) -> str:
        return f"FullGaussian(mean={tuple(self.mean.shape)}, D={len(self.covariance)})"


def _set(model: PCA | ProbabilisticPCA | FullGaussian, **fields: Tensor | float) -> None:
    """Replace a frozen dataclass's fields by what the checks made of them."""
    for name, value in fields.items():
        object.__setattr__(model, name, value)


def _fit_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance (with 1/N) of the rows, in float64: ``(N, D) -> (D,), (D, D)``."""
    x = check_tensor("x", x, ("N", "D"), least=2, finite=True).detach().double()
    check_unit("x", x)
    if x.shape[1] > _MOST_DIMENSIONS:
        raise ValueError(
            f"x has {x.shape[1]} columns: expected at most {_MOST_DIMENSIONS}, since the "
            "covariance of all pairs of them is held in memory"
        )
    return x.mean(dim=0), torch.cov(x.T, correction=0).reshape(x.shape[1], x.shape[1])


def _add_to_diagonal(C: Tensor, variance: float) -> Tensor:
    return C + variance * torch.eye(len(C), dtype=C.dtype, device=C.device)


def _factorise(covariance: Tensor) -> Tensor:
    """Cholesky's root, lower triangular; ValueError where there is none."""
    root, info = torch.linalg.cholesky_ex(covariance)
    # What is left of each variance, given the directions before: rounding leaves a little of none.
    left = root.diagonal().square() / covariance.diagonal()
    if info.item() or (left <= len(root) * torch.finfo(root.dtype).eps).any():
        raise ValueError(
            "the covariance is singular: some direction has no variance (a pixel known already, or "
            "measured twice). Leave that direction out, or add noise or a ridge"
        )
    return root
