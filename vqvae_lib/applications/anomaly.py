"""Anomaly detection with any trained model: scores that are larger, the stranger a sample is.

The obvious score, minus the log-likelihood, has a known failure. Under a model of complicated data
*simple* data are often more likely than those that it was trained on (Nalisnick et al. 2019,
arXiv:1810.09136): a flat image beats every texture. Likelihood is a density, and the densest place
of a distribution need not be where its samples lie. Two remedies are here, each with a blind spot:
`typicality` also reports what is *too* likely, and `likelihood_ratio` takes from the likelihood
what a simple background model knows already.

Every score is a tensor (N,). `auc` says how well one tells two sets apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from vqvae_lib._evaluating import evaluating

__all__ = [
    "PixelGaussian",
    "auc",
    "likelihood_ratio",
    "negative_log_likelihood",
    "reconstruction_error",
    "typicality",
]

_LOG_2PI = math.log(2 * math.pi)


def negative_log_likelihood(
    model: Any, x: Tensor, *, K: int = 20, generator: torch.Generator | None = None
) -> Tensor:
    """Minus log p(x), by the model.

    Parameters
    ----------
    model
        A `VAE` or `VQVAE`, or anything with ``log_likelihood(x, K=K, generator=generator)`` giving
        (N,). One that knows log p(x) exactly takes x alone, such as `PPCA`.
        A model's parts are used in evaluation mode and given back as they were.
    x
        Data, shape (N, D).
    K
        Importance samples: what a VAE gives is an upper bound, which falls towards the true value
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
        If a value is nan, or the model gives another shape.
    """
    if not callable(getattr(model, "log_likelihood", None)):
        raise TypeError(
            f"model is a {type(model).__name__} without log_likelihood: expected a trained VAE, "
            "or a model that gives log p(x)"
        )
    takes = signature(model.log_likelihood).parameters
    drawing = {"K": K, "generator": generator} if {"K", "generator"} <= set(takes) else {}
    with evaluating(model):
        found = -model.log_likelihood(x, **drawing)
    if found.shape != x.shape[:1] or found.isnan().any():
        raise ValueError(
            f"log_likelihood gave {tuple(found.shape)}, {int(found.isnan().sum())} of them nan: "
            f"expected {tuple(x.shape[:1])} numbers"
        )
    return found


def reconstruction_error(model: Any, x: Tensor) -> Tensor:
    """Squared error of the reconstruction, summed over the dimensions: ``(N, D) -> (N,)``.

    Parameters
    ----------
    model
        A `VAE` or `VQVAE`, or anything with ``reconstruct(x)``.
    x
        Data, shape (N, D).

    Raises
    ------
    TypeError
        If the model has no ``reconstruct``.
    """
    if not callable(getattr(model, "reconstruct", None)):
        raise TypeError(f"model is a {type(model).__name__} without reconstruct: expected a VAE")
    with evaluating(model):
        return (x - model.reconstruct(x)).square().sum(dim=1)


def typicality(nll: Tensor, nll_train: Tensor) -> Tensor:
    """How far a sample's likelihood is from the usual, on either side (Nalisnick et al. 2019).

    ``|nll - mean(nll_train)|``: samples of a distribution in many dimensions nearly all have a
    log-density close to its mean, and what is much *more* likely is as odd as what is less. The
    test for single samples of arXiv:1906.02994. Blind to what is odd at the usual likelihood.

    Parameters
    ----------
    nll
        Of the samples in question, shape (N,).
    nll_train
        Of data that are known to be normal, two or more, by the same model and K. Best of data
        that the model was not trained on.

    Returns
    -------
    torch.Tensor
        In nats, shape (N,).
    """
    if nll.ndim != 1 or nll_train.ndim != 1 or len(nll_train) < 2:
        raise ValueError(
            f"nll {tuple(nll.shape)} and nll_train {tuple(nll_train.shape)}: expected (N,) and "
            "(M,), M at least 2"
        )
    return (nll - nll_train.mean()).abs()


@dataclass(frozen=True, eq=False)
class PixelGaussian:
    """A background model: each dimension a Gaussian of its own, all independent.

    Attributes
    ----------
    mean, variance
        Shape (D,).
    """

    mean: Tensor
    variance: Tensor

    @classmethod
    def fit(cls, x: Tensor, *, least: float = 1e-3) -> PixelGaussian:
        """Take mean and variance (with 1/N) of each dimension.

        Parameters
        ----------
        x
            Data, shape (N, D).
        least
            No variance is taken to be smaller: a pixel that never changed would make any other
            value of it impossible.
        """
        if x.ndim != 2 or 0 in x.shape or not x.isfinite().all():
            raise ValueError(f"x has shape {tuple(x.shape)}: expected (N, D), finite, none zero")
        if not least > 0:
            raise ValueError(f"least={least!r}: expected a number above 0")
        return cls(x.mean(dim=0), x.var(dim=0, correction=0).clamp(min=least))

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Evaluate log p(x) in nats: ``(N, D) -> (N,)``."""
        squares = (x - self.mean).square() / self.variance  # (N, D)
        return -0.5 * (squares + self.variance.log() + _LOG_2PI).sum(dim=1)


def likelihood_ratio(nll: Tensor, background: Any, x: Tensor) -> Tensor:
    """How much better a background model explains a sample (after Ren et al. 2019).

    ``log p_background(x) - log p(x)``. What makes an image simple makes it likely under both, and
    cancels; what is left is the structure that only the model has learned. Blind to data that the
    background model finds even stranger, such as noise beside textures. (Ren and others take the
    same kind of model, trained on damaged data, as a background, arXiv:1906.02845.)

    Parameters
    ----------
    nll
        By the model, shape (N,).
    background
        Anything with ``log_likelihood(x)``, such as `PixelGaussian`.
    x
        The same samples, shape (N, D).

    Returns
    -------
    torch.Tensor
        In nats, shape (N,).
    """
    if nll.shape != x.shape[:1]:
        raise ValueError(f"nll {tuple(nll.shape)} and x {tuple(x.shape)}: expected (N,) and (N, D)")
    return nll + background.log_likelihood(x)


def auc(normal: Tensor, odd: Tensor) -> float:
    """Probability that an odd sample has the larger score: the area under the ROC curve.

    Parameters
    ----------
    normal, odd
        Scores, shapes (N,) and (M,), one or more each.

    Returns
    -------
    float
        1: always told apart. ½: not at all. 0: always the wrong way round. Ties count half.
    """
    for name, values in (("normal", normal), ("odd", odd)):
        if values.ndim != 1 or len(values) == 0 or values.isnan().any():
            raise ValueError(f"{name} has shape {tuple(values.shape)}: expected (N,), no nan")
    from sklearn.metrics import roc_auc_score

    scores = torch.cat([normal, odd]).detach().cpu().double().numpy()
    return float(roc_auc_score([0] * len(normal) + [1] * len(odd), scores))
