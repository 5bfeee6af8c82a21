"""Anomaly detection with any trained model: scores that are larger the stranger a sample is.

The obvious score, minus the log-likelihood, fails in a known way. Under a model of complicated data
*simple* data are often more likely than the data it was trained on (Nalisnick et al. 2019,
arXiv:1810.09136): a flat image beats every texture. The likelihood is a density, and the densest
place of a distribution need not be where its samples lie. Two remedies are here, each with a blind
spot: `typicality` also flags what is *too* likely, and `likelihood_ratio` subtracts what a simple
background model knows already.

Every score has shape (N,). `auc` tells how well a score separates two sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vqvae_lib._checks import (
    check_number,
    check_same_length,
    check_tensor,
    describe,
    raise_if_any,
)
from vqvae_lib._evaluating import evaluating
from vqvae_lib.applications._dimensions import check_model
from vqvae_lib.bounds import gaussian_log_prob
from vqvae_lib.vae import VAE

__all__ = [
    "Density",
    "PixelGaussian",
    "auc",
    "likelihood_ratio",
    "negative_log_likelihood",
    "reconstruction_error",
    "typicality",
]


class Density(Protocol):
    """Anything that knows log p(x) exactly: `PixelGaussian` or `vqvae_lib.ProbabilisticPCA`."""

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Log p(x) in nats: ``(N, D) -> (N,)``."""
        ...


def negative_log_likelihood(
    model: VAE | Density, x: Tensor, *, K: int = 20, generator: torch.Generator | None = None
) -> Tensor:
    """Minus log p(x) under a model.

    Parameters
    ----------
    model
        A `VAE` or `VQVAE`, or a model that knows log p(x) exactly.
    x
        Data, shape (N, D).
    K
        Importance samples of a VAE. Its score is an upper bound, which falls towards the true value
        as K grows.
    generator
        Draws them.

    Returns
    -------
    torch.Tensor
        In nats, shape (N,).

    Raises
    ------
    TypeError
        If the model has no ``log_likelihood``.
    ValueError
        If x is not finite, or the model gives another shape, or nan.
    """
    _check_density("model", model, "a trained VAE, or a model that knows log p(x)")
    x = check_tensor("x", x, ("N", "D"), finite=True)
    with evaluating(model):
        if isinstance(model, VAE):
            log_px = model.log_likelihood(x, K=K, generator=generator)
        else:
            log_px = model.log_likelihood(x)
    check_tensor("log_likelihood(x)", log_px, (len(x),))
    raise_if_any("log_likelihood(x)", log_px, log_px.isnan(), "a number")
    return -log_px


def reconstruction_error(model: VAE, x: Tensor) -> Tensor:
    """Squared error of the reconstruction, summed over the dimensions: ``(N, D) -> (N,)``."""
    x = check_tensor("x", x, ("N", "D"))
    with evaluating(check_model(model)):
        return (x - model.reconstruct(x)).square().sum(dim=1)


def typicality(nll: Tensor, nll_train: Tensor) -> Tensor:
    """How far a sample's likelihood is from the usual one, on either side (Nalisnick et al. 2019).

    The score is ``|nll - mean(nll_train)|``. In many dimensions nearly all samples of a
    distribution have a log-density close to its mean, so a sample that is much *more* likely is as
    odd as one that is less. This is the test for single samples of arXiv:1906.02994. It cannot see
    what is odd at the usual likelihood.

    Parameters
    ----------
    nll
        Negative log-likelihoods of the samples in question, shape (N,).
    nll_train
        Those of normal data under the same model and K, shape (M,), M of at least 2. Data that the
        model was not trained on are best.

    Returns
    -------
    torch.Tensor
        In nats, shape (N,).
    """
    nll = _check_scores("nll", nll)
    nll_train = check_tensor("nll_train", nll_train, ("M",), least=2, finite=True)
    return (nll - nll_train.mean()).abs()


@dataclass(frozen=True, eq=False)
class PixelGaussian:
    """A background model: one Gaussian per dimension, all independent.

    Attributes
    ----------
    mean, variance
        Of each dimension, shape (D,); variances above 0.

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit, or a number is not finite.
    """

    mean: Tensor
    variance: Tensor

    def __post_init__(self) -> None:
        mean = check_tensor("mean", self.mean, ("D",), finite=True)
        shape = tuple(mean.shape)
        variance = check_tensor("variance", self.variance, shape, like=mean, finite=True)
        raise_if_any("variance", variance, variance <= 0, "numbers above 0")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "variance", variance)

    @classmethod
    def fit(cls, x: Tensor, *, min_variance: float = 1e-3) -> PixelGaussian:
        """Take mean and variance (with 1/N) of each dimension.

        Parameters
        ----------
        x
            Data, shape (N, D).
        min_variance
            Floor, above 0. Without it a pixel that never changes would make every other value of it
            impossible.
        """
        x = check_tensor("x", x, ("N", "D"), least=1, finite=True)
        floor = check_number("min_variance", min_variance, above=0)
        return cls(x.mean(dim=0), x.var(dim=0, correction=0).clamp(min=floor))

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Log p(x) in nats: ``(N, D) -> (N,)``."""
        x = check_tensor("x", x, ("N", len(self.mean)), like=self.mean, finite=True)
        return gaussian_log_prob(x, self.mean, self.variance.log())


def likelihood_ratio(nll: Tensor, background: Density, x: Tensor) -> Tensor:
    """How much better a background model explains a sample (after Ren et al. 2019).

    The score is ``log p_background(x) - log p(x)``. What makes an image simple makes it likely
    under both models and cancels; the structure that only the model has learned is left. It cannot
    see data that the background model finds even stranger, such as noise beside textures. (Ren and
    others train the background model on damaged data, arXiv:1906.02845.)

    Parameters
    ----------
    nll
        Negative log-likelihoods under the model, shape (N,).
    background
        Such as `PixelGaussian`.
    x
        The same samples, shape (N, D).

    Returns
    -------
    torch.Tensor
        In nats, shape (N,).
    """
    nll = _check_scores("nll", nll)
    _check_density("background", background, "a model that knows log p(x), such as PixelGaussian")
    x = check_tensor("x", x, ("N", "D"), finite=True)
    check_same_length("nll", nll, "x", x)
    return nll + background.log_likelihood(x)


def auc(normal: Tensor, odd: Tensor) -> float:
    """Probability that an odd sample has the larger score: the area under the ROC curve.

    Parameters
    ----------
    normal, odd
        Scores, shapes (N,) and (M,).

    Returns
    -------
    float
        1 if the score always tells them apart, ½ if it never does, 0 if it is always the wrong way
        round. Ties count half.
    """
    normal, odd = _check_scores("normal", normal, least=1), _check_scores("odd", odd, least=1)
    from sklearn.metrics import roc_auc_score

    both = torch.cat([normal.double(), odd.double()]).detach().cpu()  # (N + M,)
    # Their ranks tell as much, and inf has one too.
    ranks = both.unique(return_inverse=True)[1].numpy()
    return float(roc_auc_score([0] * len(normal) + [1] * len(odd), ranks))


def _check_scores(name: str, scores: Tensor, *, least: int = 0) -> Tensor:
    """Return scores (N,), which may be infinite but not nan; ValueError or TypeError otherwise."""
    scores = check_tensor(name, scores, ("N",), least=least)
    raise_if_any(name, scores, scores.isnan(), "a number")
    return scores


def _check_density(name: str, model: object, expected: str) -> None:
    """Refuse, with a TypeError, what has no ``log_likelihood``."""
    if isinstance(model, type) or not callable(getattr(model, "log_likelihood", None)):
        raise TypeError(f"{name} is {describe(model)} without log_likelihood: expected {expected}")
