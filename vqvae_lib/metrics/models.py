"""Numbers about a whole model: how likely it finds the data, and how much of its code it uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from vqvae_lib._checks import check_count, check_generator, check_instance, check_tensor, describe
from vqvae_lib._evaluating import evaluating
from vqvae_lib.metrics.estimate import Estimate

__all__ = [
    "ACTIVITY_THRESHOLD",
    "ActiveUnits",
    "LikelihoodModel",
    "PosteriorModel",
    "active_units",
    "nll",
]

ACTIVITY_THRESHOLD = 0.01


@runtime_checkable
class PosteriorModel(Protocol):
    """A model with a Gaussian q(z|x); a `vqvae_lib.VAE` is one."""

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), shape (B, d) each."""


@runtime_checkable
class LikelihoodModel(Protocol):
    """A model that estimates log p(x); a `vqvae_lib.VAE` is one."""

    def log_likelihood(
        self, x: Tensor, y: Tensor | None = None, *, K: int, generator: torch.Generator
    ) -> Tensor:
        """Estimate log p(x) from K draws of z, in nats, shape (B,)."""


@dataclass(frozen=True, eq=False)
class ActiveUnits:
    """How strongly the data move each dimension of the code.

    Attributes
    ----------
    variances
        Variance over the data (with 1/N) of each dimension's posterior mean, in squared units of
        z, shape (d,), float64.
    """

    variances: Tensor

    @property
    def count(self) -> int:
        """How many variances exceed `ACTIVITY_THRESHOLD`."""
        return int((self.variances > ACTIVITY_THRESHOLD).sum())

    def __repr__(self) -> str:
        return f"ActiveUnits({self.count} of {len(self.variances)})"


def active_units(model: PosteriorModel, x: Tensor, y: Tensor | None = None) -> ActiveUnits:
    """Measure how much of its code a model uses.

    The activity of dimension i is ``A_i = Var_x(E_q(z|x)[z_i])``: how far its posterior mean moves
    from one x to the next. Above 0.01 it counts as active (Burda, Grosse and Salakhutdinov 2016,
    section 5.3). The threshold is meant for a prior of variance 1.

    Parameters
    ----------
    model
        It is evaluated without gradients, and every part gets its mode back afterwards.
    x
        Data, shape (N, ...), two samples or more.
    y
        Condition of each sample, for a conditional model.

    Returns
    -------
    ActiveUnits
        ``variances`` and their ``count`` above the threshold.

    Raises
    ------
    ValueError
        If there are fewer than two samples, or the means are not (N, d) or not finite.
    TypeError
        If x is not a tensor of floating-point numbers.
    """
    if isinstance(model, str | bytes):  # which have an encode, too
        raise TypeError(f"model is {describe(model)}: expected a model, such as a VAE")
    check_instance("model", model, PosteriorModel, "a model with encode(x, y), such as a VAE")
    x = check_tensor("x", x, ("N", ...), least=2, finite=True)
    with evaluating(model):
        mu, _ = model.encode(x, y)
    mu = check_tensor("the encoder's mu", mu, (len(x), "d"), finite=True)
    return ActiveUnits(mu.double().var(dim=0, correction=0))  # (N, d) -> (d,)


def nll(
    model: LikelihoodModel,
    x: Tensor,
    y: Tensor | None = None,
    *,
    K: int,
    generator: torch.Generator,
) -> Estimate:
    """Estimate the negative log-likelihood of data, from above: minus the IWAE bound of K samples.

    Its expectation is at least ``E_x[-log p(x)]`` and falls towards that as K grows (Burda, Grosse
    and Salakhutdinov 2016, theorem 1). So with a small K a good model with a poor encoder looks
    bad, and numbers with different K can't be compared. Nor can those of different likelihoods: a
    Bernoulli's is a probability, while a Gaussian's is a density and changes with the unit of x.

    Parameters
    ----------
    model
        It is evaluated without gradients, and every part gets its mode back afterwards.
    x
        Data, shape (N, ...), two samples or more.
    y
        Condition of each sample, for a model of p(x|y).
    K
        Importance samples per x. K = 1 gives the negative ELBO; published values use 5000.
    generator
        Source of the importance samples.

    Returns
    -------
    Estimate
        Mean in nats per sample. The standard error is that of N samples from all data of their
        kind; it includes neither the gap between bound and likelihood nor the scatter between
        training seeds. Compare two models by their differences, sample by sample.

    Raises
    ------
    ValueError
        If there are fewer than two samples, K is below 1, or the model's values are not (N,) or not
        finite.
    TypeError
        If x is not a tensor of floating-point numbers, or the generator is not a torch.Generator.
    """
    check_instance("model", model, LikelihoodModel, "a model with log_likelihood, such as a VAE")
    x = check_tensor("x", x, ("N", ...), least=2, finite=True)
    K = check_count("K", K)
    check_generator("generator", generator)
    with evaluating(model):
        log_px = model.log_likelihood(x, y, K=K, generator=generator)  # (N,)
    log_px = check_tensor("the model's log_likelihood", log_px, (len(x),), finite=True)
    return Estimate.of(-log_px)
