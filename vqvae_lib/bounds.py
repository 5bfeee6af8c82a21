"""Bounds on log p(x), and the pieces that they are made of.

This is the one place where anything is summed over dimensions or averaged over a batch. Sums run
over the last axis; what comes back has one number a sample, in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vqvae_lib.metrics import pca

__all__ = [
    "PPCA",
    "elbo",
    "gaussian_kl",
    "gaussian_log_prob",
    "importance_bound",
    "mean_over_batch",
    "ppca",
    "sum_over_dimensions",
]

_LOG_2PI = math.log(2 * math.pi)


def sum_over_dimensions(terms: Tensor) -> Tensor:
    """Add the terms of all dimensions: ``(..., B, D) -> (..., B)``."""
    return terms.sum(dim=-1)


def mean_over_batch(terms: Tensor) -> Tensor:
    """Average over everything that is left: ``(..., B) -> ()``."""
    return terms.mean()


def gaussian_log_prob(z: Tensor, mu: Tensor | float = 0.0, log_var: Tensor | float = 0.0) -> Tensor:
    """Log-density of a Gaussian with diagonal covariance; by default of the prior N(0, I).

    Parameters
    ----------
    z
        Where, shape (..., B, d).
    mu
        Mean, a shape that broadcasts against z.
    log_var
        Logarithm of the variance, likewise.

    Returns
    -------
    torch.Tensor
        In nats, shape (..., B).
    """
    log_var = torch.as_tensor(log_var, dtype=z.dtype, device=z.device)
    terms = (z - mu).square() * (-log_var).exp() + log_var + _LOG_2PI
    return -0.5 * sum_over_dimensions(terms)  # (..., B, d) -> (..., B)


def gaussian_kl(
    mu: Tensor,
    log_var: Tensor,
    mu_p: Tensor | float = 0.0,
    log_var_p: Tensor | float = 0.0,
) -> Tensor:
    """KL divergence KL(q ‖ p) between Gaussians with diagonal covariance, by default from N(0, I).

    Parameters
    ----------
    mu, log_var
        Mean and log-variance of q, shape (..., B, d).
    mu_p, log_var_p
        Those of p, shapes that broadcast against them.

    Returns
    -------
    torch.Tensor
        In nats, shape (..., B); never below 0 but for rounding.

    Raises
    ------
    ValueError
        If the shapes of `mu` and `log_var` differ.

    Notes
    -----
    ``½ Σ_i [(μ_i - μ_pi)² / σ_pi² + r_i - 1 - log r_i]`` with the ratio of variances
    ``r_i = σ_i² / σ_pi²`` (Kingma and Welling 2014, appendix B, for p = N(0, I)). Near r = 1 the
    last three terms are tiny and of order one each, so ``expm1`` takes r - 1.

    Examples
    --------
    Two dimensions, one of them off by one standard deviation:

    >>> gaussian_kl(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))  # (B, d) = (1, 2)
    tensor([0.5000])
    """
    if mu.shape != log_var.shape:
        raise ValueError(
            f"mu {tuple(mu.shape)} and log_var {tuple(log_var.shape)}: expected the same shape"
        )
    log_var_p = torch.as_tensor(log_var_p, dtype=mu.dtype, device=mu.device)
    log_ratio = log_var - log_var_p
    terms = (mu - mu_p).square() * (-log_var_p).exp() + torch.expm1(log_ratio) - log_ratio
    return 0.5 * sum_over_dimensions(terms)  # (..., B, d) -> (..., B)


def elbo(log_px: Tensor, kl: Tensor, *, beta: float = 1.0) -> Tensor:
    """Evidence lower bound ``E_q[log p(x|z)] - β KL``, one number a sample.

    Parameters
    ----------
    log_px
        log p(x|z) of one draw of z, or of several whose average is wanted, shape (..., B).
    kl
        KL(q(z|x) ‖ p(z)), shape (B,).
    beta
        Weight of the KL. Only 1 gives the bound; below 1 it may exceed log p(x).

    Returns
    -------
    torch.Tensor
        In nats, shape (..., B).
    """
    return log_px - beta * kl


def importance_bound(log_weights: Tensor) -> Tensor:
    """Importance-weighted bound (IWAE) ``log (1/K) Σ_s w_s``, one number a sample.

    Its expectation is at most log p(x), does not fall as K grows, and is the ELBO at K = 1
    (Burda, Grosse and Salakhutdinov 2016, theorem 1).

    Parameters
    ----------
    log_weights
        ``log w_s = log p(x|z_s) + log p(z_s) - log q(z_s|x)``, shape (K, B).

    Returns
    -------
    torch.Tensor
        In nats, shape (B,).

    Raises
    ------
    ValueError
        If there is no sample.
    """
    if log_weights.ndim != 2 or len(log_weights) == 0:
        raise ValueError(
            f"log_weights has shape {tuple(log_weights.shape)}: expected (K, B) with K >= 1"
        )
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))  # (K, B) -> (B,)


@dataclass(frozen=True, eq=False)
class PPCA:
    """Probabilistic PCA: z ~ N(0, I), x = mean + W z + noise of variance variance.

    The VAE that can be solved: everything about it is a closed form (Tipping and Bishop 1999).

    Attributes
    ----------
    mean
        Shape (D,).
    W
        Decoder, shape (D, d).
    variance
        Variance of the noise, above 0.
    """

    mean: Tensor
    W: Tensor
    variance: float

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Exact log p(x) of each sample, in nats: ``(B, D) -> (B,)``.

        The marginal is Gaussian with covariance ``C = W Wᵀ + variance I``.
        """
        D, d = self.W.shape
        M = self._M()  # (d, d)
        centred = x - self.mean  # (B, D)
        projected = centred @ self.W  # (B, d)
        # Woodbury's identity: only a d x d matrix is inverted.
        inner = projected * torch.linalg.solve(M, projected.T).T  # (B, d)
        squares = (
            sum_over_dimensions(centred.square()) - sum_over_dimensions(inner)
        ) / self.variance  # (B,)
        log_det = torch.linalg.slogdet(M).logabsdet + (D - d) * math.log(self.variance)
        return -0.5 * (squares + log_det + D * _LOG_2PI)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Exact p(z|x), a Gaussian.

        Returns
        -------
        mu : torch.Tensor
            Means, shape (B, d).
        covariance : torch.Tensor
            Shape (d, d), the same for all x.
        """
        M = self._M()
        mu = torch.linalg.solve(M, self.W.T @ (x - self.mean).T).T  # (B, d)
        return mu, self.variance * torch.linalg.inv(M)

    def _M(self) -> Tensor:
        d = self.W.shape[1]
        eye = torch.eye(d, dtype=self.W.dtype, device=self.W.device)
        return self.W.T @ self.W + self.variance * eye  # (d, d)


def ppca(x: Tensor, d: int) -> PPCA:
    """Fit probabilistic PCA by maximum likelihood, in closed form.

    ``variance`` is the mean of the D - d eigenvalues of the covariance that are left over, and
    column i of W is ``sqrt(λ_i - variance)`` times the i-th principal direction.

    Parameters
    ----------
    x
        Data, shape (N, D).
    d
        Latent dimension, 1 to D - 1.

    Returns
    -------
    PPCA
        In float64.

    Raises
    ------
    ValueError
        If d does not fit, or nothing is left over for the noise.
    """
    if x.ndim != 2 or not 1 <= d < x.shape[1]:
        raise ValueError(f"d={d} does not fit x of shape {tuple(x.shape)}: expected 1 <= d < D")
    fitted = pca(x.double(), d)
    variance = fitted.eigenvalues[d:].mean().item()
    if not variance > 0:
        raise ValueError(f"x lies within d={d} dimensions exactly: no noise is left to fit")
    scale = (fitted.eigenvalues[:d] - variance).clamp(min=0).sqrt()  # (d,)
    return PPCA(fitted.mean, fitted.components.T * scale, variance)
