"""Bounds on log p(x), and the pieces they are made of.

A model's terms are summed over dimensions and averaged over the batch here and nowhere else, so the
two can't be mixed up. Sums run over the last axis and leave one number per sample, in nats.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from vqvae_lib._checks import check_number, check_tensor

__all__ = [
    "elbo",
    "gaussian_kl",
    "gaussian_log_prob",
    "importance_bound",
    "mean_over_batch",
    "sum_over_dimensions",
]

_LOG_2PI = math.log(2 * math.pi)


def sum_over_dimensions(terms: Tensor) -> Tensor:
    """Add the terms of all dimensions: ``(..., B, D) -> (..., B)``."""
    terms = check_tensor("terms", terms, (..., "D"))
    return terms.sum(dim=-1)


def mean_over_batch(terms: Tensor) -> Tensor:
    """Average over all samples and draws: ``(..., B) -> ()``."""
    terms = check_tensor("terms", terms, (..., "B"), least=1)
    return terms.mean()


def gaussian_log_prob(z: Tensor, mu: Tensor | float = 0.0, log_var: Tensor | float = 0.0) -> Tensor:
    """Log-density of a Gaussian with diagonal covariance, by default of the prior N(0, I).

    Parameters
    ----------
    z
        Points, shape (..., B, d).
    mu, log_var
        Mean and log-variance, shapes that broadcast against z.

    Returns
    -------
    torch.Tensor
        In nats, shape (..., B).

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If an argument is neither a number nor a tensor or an array of numbers.
    """
    z = check_tensor("z", z, (..., "d"))
    mu = _check_broadcast("mu", mu, z)
    log_var = _check_broadcast("log_var", log_var, z)
    terms = ((z - mu) * _root_precision(log_var)).square() + log_var + _LOG_2PI
    return -0.5 * sum_over_dimensions(terms)  # (..., B, d) -> (..., B)


def gaussian_kl(
    mu: Tensor,
    log_var: Tensor,
    mu_p: Tensor | float = 0.0,
    log_var_p: Tensor | float = 0.0,
) -> Tensor:
    """KL(q ‖ p) between Gaussians with diagonal covariance, where p is N(0, I) by default.

    Parameters
    ----------
    mu, log_var
        Mean and log-variance of q, shape (..., B, d).
    mu_p, log_var_p
        Those of p, shapes that broadcast against them.

    Returns
    -------
    torch.Tensor
        In nats, shape (..., B). Never negative, except by rounding.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If an argument is neither a number nor a tensor or an array of numbers.

    Notes
    -----
    ``½ Σ_i [(μ_i - μ_pi)² / σ_pi² + r_i - 1 - log r_i]`` with the ratio of variances
    ``r_i = σ_i² / σ_pi²`` (Kingma and Welling 2014, appendix B, for p = N(0, I)). Near r = 1 the
    last three terms nearly cancel, so ``expm1`` computes r - 1 without losing digits.

    Examples
    --------
    One of two means is a standard deviation away from the prior's:

    >>> gaussian_kl(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))  # (B, d) = (1, 2)
    tensor([0.5000])
    """
    mu = check_tensor("mu", mu, (..., "d"))
    log_var = check_tensor("log_var", log_var, tuple(mu.shape), like=mu)
    mu_p = _check_broadcast("mu_p", mu_p, mu)
    log_var_p = _check_broadcast("log_var_p", log_var_p, mu)
    log_ratio = log_var - log_var_p
    distance = (mu - mu_p) * _root_precision(log_var_p)
    terms = distance.square() + torch.expm1(log_ratio) - log_ratio
    return 0.5 * sum_over_dimensions(terms)  # (..., B, d) -> (..., B)


def elbo(log_px: Tensor, kl: Tensor, *, beta: float = 1.0) -> Tensor:
    """Evidence lower bound ``E_q[log p(x|z)] - β KL``, one number per sample.

    Parameters
    ----------
    log_px
        log p(x|z) at draws of z from q(z|x), shape (..., B). Each draw estimates the expectation.
    kl
        KL(q(z|x) ‖ p(z)), shape (B,).
    beta
        Weight of the KL. From 1 upwards the result bounds log p(x), and is tightest at 1. Below 1
        it may exceed log p(x).

    Returns
    -------
    torch.Tensor
        In nats, shape (..., B).

    Raises
    ------
    ValueError
        If the shapes do not fit, or `beta` is negative.
    TypeError
        If a term is not a tensor or an array of numbers.
    """
    log_px = check_tensor("log_px", log_px, (..., "B"))
    kl = check_tensor("kl", kl, (log_px.shape[-1],), like=log_px)
    return log_px - check_number("beta", beta, least=0) * kl


def importance_bound(log_weights: Tensor) -> Tensor:
    """Importance-weighted bound (IWAE) ``log (1/K) Σ_s w_s``, one number per sample.

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
        If the shape is not (K, B) with at least one draw.
    """
    log_weights = check_tensor("log_weights", log_weights, ("K", "B"), least=1)
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))  # (K, B) -> (B,)


def _root_precision(log_var: Tensor) -> Tensor:
    """``1 / σ``, and the largest number where that is infinite: times a distance of 0 it is 0."""
    most = math.log(torch.finfo(log_var.dtype).max) - 1e-2  # a margin, for the logarithm's rounding
    return (-0.5 * log_var).clamp(max=most).exp()


def _check_broadcast(name: str, value: Tensor | float, like: Tensor) -> Tensor:
    """Return a number or a tensor that broadcasts against another, without making it larger."""
    if not isinstance(value, Tensor | np.ndarray):
        return like.new_full((), check_number(name, value))
    value = check_tensor(name, value, like=like)
    sizes = zip(reversed(value.shape), reversed(like.shape), strict=False)
    if value.ndim > like.ndim or any(size not in (1, n) for size, n in sizes):
        raise ValueError(
            f"{name} has shape {tuple(value.shape)}: expected one that broadcasts against "
            f"{tuple(like.shape)}"
        )
    return value
