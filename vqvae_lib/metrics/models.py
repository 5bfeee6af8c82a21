"""Numbers that ask the whole model: a bound on its likelihood, the dimensions that it uses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vqvae_lib._checks import check_count
from vqvae_lib._evaluating import evaluating
from vqvae_lib.metrics.estimate import Estimate

__all__ = ["ActiveUnits", "active_units", "nll"]

# Samples encoded at a time.
_ROWS = 1000


@dataclass(frozen=True, eq=False)
class ActiveUnits:
    """How much the code's dimensions tell about x, made by `active_units`.

    Attributes
    ----------
    variances
        Variance over the data (with 1/N) of the posterior mean of each dimension, in squared units
        of z, shape (d,), float64.
    count
        How many of them exceed the threshold.
    """

    variances: Tensor
    count: int

    def __repr__(self) -> str:
        return f"ActiveUnits({self.count} of {len(self.variances)})"


def active_units(
    model: object, x: Tensor, y: Tensor | None = None, *, threshold: float = 0.01
) -> ActiveUnits:
    """Count the dimensions of the code that the data move; the others say little about x.

    The activity of dimension i is ``A_i = Var_x(E_q(z|x)[z_i])``, the variance over the data of
    the posterior mean, and it is active if ``A_i > 0.01`` (Burda, Grosse and Salakhutdinov 2016,
    whose histograms show few values near the threshold; look at yours in ``variances``). The scale
    is that of a prior of variance 1: multiply z by a number, and the count means something else.

    Parameters
    ----------
    model
        Anything with ``encode(x)`` giving the pair (mu, log_var), shape (B, d) each; a
        `vqvae_lib.VAE`. It is used in evaluation mode, without gradients, and given back with
        every part in the mode that it had. Data are encoded 1000 at a time.
    x
        Data, shape (N, ...), two samples or more.
    y
        Labels, shape (N,), for a model whose encoder asks for them: ``encode(x, y)``.
    threshold
        Least variance of an active dimension, exclusive, 0 or more.

    Returns
    -------
    ActiveUnits
        Variances, and how many are active.

    Raises
    ------
    ValueError
        If there are fewer than two samples, not a label for each, the threshold is out of range,
        or the encoder's means have another shape or are not finite.
    TypeError
        If x or y is no tensor, the model has no ``encode``, or that gives no pair.
    """
    _check_data(x, y)
    if not 0 <= threshold < math.inf:
        raise ValueError(f"threshold={threshold!r}: expected a number, 0 or more")
    encode = _method(model, "encode", "encode(x) giving the pair (mu, log_var)")
    means = []
    with evaluating(model):
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            found = encode(x[rows]) if y is None else encode(x[rows], y[rows])
            means.append(_mean(found, len(x[rows])))
    mu = torch.cat(means)  # (N, d)
    variances = mu.var(dim=0, correction=0)  # (N, d) -> (d,)
    return ActiveUnits(variances, int((variances > threshold).sum()))


def nll(
    model: object,
    x: Tensor,
    y: Tensor | None = None,
    *,
    K: int,
    generator: torch.Generator,
) -> Estimate:
    """Estimate the negative log-likelihood of data, from above, by the IWAE bound with K samples.

    In expectation it is an upper bound on ``E_x[-log p(x)]``, which falls towards it as K grows
    (Burda, Grosse and Salakhutdinov 2016, theorem 1): with a small K a good model with a poor
    encoder looks bad, and numbers with different K cannot be compared. Nor can those of different
    likelihoods: a Bernoulli's is a probability, a Gaussian's a density, which changes with the
    unit of x.

    Parameters
    ----------
    model
        Anything with ``log_likelihood(x, K=K, generator=generator)`` giving nats, shape (N,); a
        `vqvae_lib.VAE`. It is used in evaluation mode, without gradients, and given back with
        every part in the mode that it had.
    x
        Data, shape (N, ...), two samples or more.
    y
        Labels, shape (N,), for a model of p(x|y): ``log_likelihood(x, y, ...)``.
    K
        Importance samples for each x. K = 1 gives the negative ELBO; published values use 5000.
    generator
        Draws them.

    Returns
    -------
    Estimate
        Mean in nats a sample, and the standard error with which these N samples give the mean
        over all data of their kind. The gap between bound and likelihood is not in it, nor does
        it tell one trained model from the next seed's. Two models on the same data are compared
        by their differences sample by sample, whose error is smaller.

    Raises
    ------
    ValueError
        If there are fewer than two samples, not a label for each, K is below 1, or the model's
        values have another shape or are not finite.
    TypeError
        If x or y is no tensor, the generator none, or the model has no ``log_likelihood``.
    """
    _check_data(x, y)
    check_count("K", K)
    if not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator is a {type(generator).__name__}: expected a torch.Generator, such as "
            "torch.Generator().manual_seed(0)"
        )
    log_likelihood = _method(
        model, "log_likelihood", "log_likelihood(x, K=K, generator=generator) giving nats"
    )
    with evaluating(model):
        data = (x,) if y is None else (x, y)
        log_px = log_likelihood(*data, K=K, generator=generator)  # (N,)
    if not isinstance(log_px, Tensor) or log_px.shape != x.shape[:1]:
        raise ValueError(
            f"model.log_likelihood gave {_what(log_px)}: expected one number a sample, ({len(x)},)"
        )
    if not log_px.isfinite().all():
        raise ValueError("model.log_likelihood gave nan or inf: expected finite numbers")
    return Estimate.of(-log_px)


def _check_data(x: Tensor, y: Tensor | None) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}: expected a torch.Tensor")
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(f"x has shape {tuple(x.shape)}: expected (N, ...) with N of at least 2")
    if y is None:
        return
    if not isinstance(y, Tensor):
        raise TypeError(f"y is a {type(y).__name__}: expected a torch.Tensor")
    if y.ndim not in (1, 2) or y.shape[:1] != x.shape[:1]:
        raise ValueError(
            f"y has shape {tuple(y.shape)}: expected ({len(x)},), a label a sample, or "
            f"({len(x)}, condition_dim)"
        )


def _method(model: object, name: str, expected: str) -> Callable[..., Any]:
    method = getattr(model, name, None)
    if not callable(method):
        raise TypeError(f"model is a {type(model).__name__} without {name}: expected {expected}")
    return method


def _mean(found: object, B: int) -> Tensor:
    """Mean of an encoder's posterior, (B, d) in float64."""
    if not isinstance(found, tuple) or len(found) != 2:
        raise TypeError(f"model.encode gave {_what(found)}: expected the pair (mu, log_var)")
    mu = found[0]
    if not isinstance(mu, Tensor) or mu.ndim != 2 or len(mu) != B:
        raise ValueError(f"model.encode gave mu of {_what(mu)}: expected ({B}, d)")
    if not mu.isfinite().all():
        raise ValueError("model.encode gave mu with nan or inf: expected finite numbers")
    return mu.detach().to("cpu", torch.float64)


def _what(value: object) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
