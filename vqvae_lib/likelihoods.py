"""Likelihoods p(x|z): how the decoder's numbers become a distribution of the data.

A decoder ends in plain linear outputs. A likelihood reads them as the parameters of a distribution
for each of the D data dimensions: it gives log-probabilities, means and samples. It never sums
over dimensions; `vqvae_lib.bounds` alone does that.

Choose by the data: zeros and ones (`Bernoulli`), counts (`Binomial`), real numbers (`Gaussian`).
Log-probabilities of different kinds of data cannot be compared with each other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vqvae_lib._checks import check_count, check_generator, check_number, check_tensor, raise_if_any

__all__ = ["Bernoulli", "Binomial", "Gaussian", "Likelihood"]

_MIN_VARIANCE = 1e-4
_INITIAL_VARIANCE = 0.1
# Variances that are normal numbers in float32, in which models are usually trained.
_SMALLEST, _LARGEST = torch.finfo(torch.float32).tiny, torch.finfo(torch.float32).max
_MANY = 1000  # counts whose logarithms of probabilities float32 cannot tell apart


class Likelihood(nn.Module, ABC):
    """A distribution p(x|z) of D independent dimensions, whose parameters the decoder gives.

    The decoder's output has P = `params_per_dimension` blocks of D numbers, in the order of
    `param_names`: shape (..., B, P * D), where the leading axes are draws of z.

    Attributes
    ----------
    param_names
        What the decoder has to give for each dimension.
    """

    param_names: tuple[str, ...]

    @property
    def params_per_dimension(self) -> int:
        """How many numbers the decoder gives for each dimension of x."""
        return len(self.param_names)

    @abstractmethod
    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """Log-probability of each dimension, in nats, not summed.

        Parameters
        ----------
        x
            Data, shape (B, D).
        params
            Output of the decoder, shape (..., B, P * D). Its leading axes are free, the others
            are those of x.

        Returns
        -------
        torch.Tensor
            Shape (..., B, D).

        Raises
        ------
        ValueError
            If the shapes do not fit. The values of x are not looked at: `check_data` does that.
        TypeError
            If an argument is not a tensor or an array of numbers.
        """

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """Mean of p(x|z): ``(..., B, P * D) -> (..., B, D)``."""

    @abstractmethod
    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw x from p(x|z): ``(..., B, P * D) -> (..., B, D)``.

        Gradients with respect to `params` pass through a Gaussian's samples, which are mean +
        std * noise, and not through discrete ones: `Bernoulli` gives gradients of 0, and backward
        through samples of `Binomial` is an error of torch.
        """

    def settings(self) -> dict[str, str | float]:
        """Return the arguments that build this likelihood again, for its repr and for files."""
        return {}

    def extra_repr(self) -> str:
        """Show the settings when the model is printed."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings().items())

    def check_data(self, x: Tensor) -> None:
        """Raise ValueError for the first value of x that this distribution cannot produce."""
        check_tensor("x", x, finite=True)

    def check_params(self, params: Tensor, D: int | None = None) -> Tensor:
        """Return the decoder's output; ValueError if it is of another likelihood or another D.

        Without D, all that can be seen is whether the last axis splits into P equal blocks.
        """
        params = check_tensor("params", params)
        D = None if D is None else check_count("D", D, least=0)
        P = self.params_per_dimension
        if D is None:
            fits = params.ndim > 0 and params.shape[-1] % P == 0
            width, dimensions = f"{P} * D", "D dimensions"
        else:
            fits = params.ndim > 0 and params.shape[-1] == P * D
            width, dimensions = f"{P * D}", f"D={D} dimensions"
        if not fits:
            raise ValueError(
                f"params: the decoder's output has shape {tuple(params.shape)}: expected "
                f"(..., {width}), the {' and the '.join(self.param_names)} of each of "
                f"{dimensions}, for {self}"
            )
        return params

    def _pair(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Check data together with the parameters of its distribution."""
        x = check_tensor("x", x, (..., "D"))
        params = self.check_params(params, x.shape[-1])
        x = check_tensor("x", x, like=params)
        batch, drawn = tuple(x.shape[:-1]), tuple(params.shape[:-1])
        if drawn[len(drawn) - len(batch) :] != batch:
            raise ValueError(
                f"x has shape {tuple(x.shape)} and params {tuple(params.shape)}: expected (B, D) "
                "and (..., B, P * D) with the same B"
            )
        return x, params


class Bernoulli(Likelihood):
    """Zeros and ones: each dimension is 1 with probability p, and 0 otherwise.

    For grey values in between, the same formula ("binary cross-entropy") is often reported as a
    negative log-likelihood. It isn't one: as a density on [0, 1], ``p**x * (1 - p)**(1 - x)`` is
    not normalised. Its integral over x is at most 1/2 and depends on p, so the missing factor
    cannot be left out as a constant. Use `vqvae_lib.data.binarise` first, or `Binomial` or
    `Gaussian`.
    """

    param_names = ("logit",)

    def __init__(self) -> None:
        super().__init__()

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """``x log p + (1 - x) log(1 - p)`` with p = sigmoid(logit), of each dimension."""
        x, params = self._pair(x, params)
        # The same, without the logarithm of a tiny p: off by no more than the logit's rounding.
        return x * params - softplus(params)  # (..., B, D)

    def mean(self, params: Tensor) -> Tensor:
        """Probability of a 1."""
        return self.check_params(params).sigmoid()

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw zeros and ones; gradients through them are 0."""
        _check_optional(generator)
        p = self.mean(params)
        raise_if_any("params", params, p.isnan(), "numbers, whose sigmoid is a probability")
        return torch.bernoulli(p, generator=generator)

    def check_data(self, x: Tensor) -> None:
        """Raise ValueError for anything but 0 and 1."""
        x = check_tensor("x", x)
        expected = "0 or 1 (binarise grey values, or use Binomial or Gaussian)"
        raise_if_any("x", x, (x != 0) & (x != 1), expected)


class Binomial(Likelihood):
    """Counts from 0 to n, such as grey levels: n points per dimension, each black with chance p.

    The 8x8 digits are such counts: each pixel says how many of 16 points carry ink. x is the
    count divided by n, as `vqvae_lib.data.load_digits` gives it, so that means are images; the
    probability is that of the count.

    Parameters
    ----------
    total_count
        The largest count n; for image data its ``levels``.

    Raises
    ------
    ValueError
        If `total_count` is not a whole number of at least 1.
    """

    param_names = ("logit",)

    def __init__(self, total_count: int) -> None:
        super().__init__()
        self.total_count = check_count("total_count", total_count)

    def settings(self) -> dict[str, str | float]:
        """Return the count."""
        return {"total_count": self.total_count}

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """``log C(n, k) + k log p + (n - k) log(1 - p)`` with k = n x, of each dimension.

        Between two counts the gamma function continues the formula: k is not rounded, so that a
        chain may start from a mean image. `check_data` tells what is a count.
        """
        x, params = self._pair(x, params)
        n, dtype = self.total_count, params.dtype
        # The logarithms of factorials are far larger than their difference.
        k = n * x.double()  # (B, D)
        log_choose = math.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)  # (B, D)
        if n > _MANY:  # then so are the other two terms
            params = params.double()
        k = k.to(params.dtype)
        terms = log_choose.to(params.dtype) + k * params - n * softplus(params)
        return terms.to(dtype)  # (..., B, D)

    def mean(self, params: Tensor) -> Tensor:
        """Mean of count / n, which is p."""
        return self.check_params(params).sigmoid()

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw counts, divided by n; torch has no gradients through them."""
        _check_optional(generator)
        p = self.mean(params)
        raise_if_any("params", params, p.isnan(), "numbers, whose sigmoid is a probability")
        n = torch.full_like(p, self.total_count)
        return torch.binomial(n, p, generator=generator) / n

    def check_data(self, x: Tensor) -> None:
        """Raise ValueError for anything but 0, 1/n, 2/n, …, 1, up to rounding in x's dtype."""
        x = check_tensor("x", x)
        k = self.total_count * x
        eps = torch.finfo(x.dtype).eps if x.is_floating_point() else 0.0
        tolerance = 4 * self.total_count * eps  # a few roundings of n x
        whole = (x >= 0) & (x <= 1) & ((k - k.round()).abs() <= tolerance)
        raise_if_any("x", x, ~whole, f"fractions in [0, 1], counts divided by {self.total_count}")


class Gaussian(Likelihood):
    """Real numbers: the decoder gives the mean, and `variance` says where the variance comes from.

    Squared error is this likelihood in disguise: summed over the dimensions it stands for a
    variance of 1/2, averaged over them for D/2. For data in [0, 1] both are far too wide: a good
    reconstruction then gains fewer nats than the KL term charges for it, and the posterior
    collapses, which means that q(z|x) equals the prior and z tells nothing about x. A shared
    variance settles at the mean squared error.

    Parameters
    ----------
    variance
        "shared": one trained variance for all dimensions. "per_dimension": the decoder gives a
        second block of D numbers, the raw log-variances. A number: fixed at this value.
    min_variance
        Floor of a trained variance, ``min_variance + exp(raw_log_var)``. Without it the likelihood
        of a pixel that never changes would grow without bound. A fixed variance has no floor.
    initial_variance
        Where a shared variance starts, above `min_variance`; no other kind takes it. Adam moves
        log(variance - min_variance) by about the learning rate per step, so a short training ends
        early on the way from a start far away from the mean squared error. 0.1 lies between the
        variance of grey images and the best error that models of them reach.

    Attributes
    ----------
    variance_mode
        "shared", "per_dimension" or "fixed".

    Raises
    ------
    ValueError
        If `variance` is neither of the two words nor a number above 0, or another argument is
        out of range, or given for a kind of variance that does not use it.
    """

    param_names: tuple[str, ...] = ("mean",)

    def __init__(
        self,
        variance: Literal["shared", "per_dimension"] | float = "shared",
        *,
        min_variance: float = _MIN_VARIANCE,
        initial_variance: float = _INITIAL_VARIANCE,
    ) -> None:
        super().__init__()
        self.variance_mode: Literal["shared", "per_dimension", "fixed"]
        min_variance = check_number("min_variance", min_variance, least=0, most=_LARGEST)
        initial_variance = check_number(
            "initial_variance", initial_variance, above=0, most=_LARGEST
        )
        self.min_variance = min_variance
        if not isinstance(variance, str):
            variance = check_number("variance", variance, least=_SMALLEST, most=_LARGEST)
        match variance:
            case "shared":
                self.variance_mode = "shared"
                self.initial_variance = check_number(
                    "initial_variance", initial_variance, above=self.min_variance
                )
                raw = math.log(self.initial_variance - self.min_variance)
                self.raw_log_var = nn.Parameter(torch.tensor(raw))
            case "per_dimension":
                _refuse_unused(variance, "initial_variance", initial_variance, _INITIAL_VARIANCE)
                self.variance_mode = "per_dimension"
                self.param_names = ("mean", "raw_log_var")
            case str():
                raise ValueError(
                    f"variance={variance!r}: expected 'shared', 'per_dimension' or a number above 0"
                )
            case _:
                self.fixed_variance = variance
                _refuse_unused(variance, "min_variance", min_variance, _MIN_VARIANCE)
                _refuse_unused(variance, "initial_variance", initial_variance, _INITIAL_VARIANCE)
                self.variance_mode = "fixed"

    def settings(self) -> dict[str, str | float]:
        """Return the arguments that matter to this kind of variance."""
        if self.variance_mode == "fixed":
            return {"variance": self.fixed_variance}
        settings: dict[str, str | float] = {
            "variance": self.variance_mode,
            "min_variance": self.min_variance,
        }
        if self.variance_mode == "shared":
            settings["initial_variance"] = self.initial_variance
        return settings

    def variance(self, params: Tensor) -> Tensor:
        """Variance of p(x|z): one number, or shape (..., B, D) where it is per dimension.

        Never outside the normal numbers of its dtype, where its logarithm ends.
        """
        params = self.check_params(params)
        if self.variance_mode == "fixed":
            return params.new_tensor(self.fixed_variance)
        if self.variance_mode == "shared":
            raw_log_var = self.raw_log_var.to(params.dtype)
        else:
            _, raw_log_var = params.chunk(2, dim=-1)  # (..., B, 2 D) -> (..., B, D)
        numbers = torch.finfo(params.dtype)
        # Before exp as well, whose gradient would be 0 times infinity.
        variance = self.min_variance + raw_log_var.clamp(max=math.log(numbers.max) - 1e-2).exp()
        return variance.clamp(min=numbers.tiny)

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """``-½ [(x - mean)² / variance + log variance + log 2π]``, of each dimension."""
        x, params = self._pair(x, params)
        variance = self.variance(params)
        squares = (x - self.mean(params)).square() / variance  # (..., B, D)
        return -0.5 * (squares + variance.log() + math.log(2 * math.pi))

    def mean(self, params: Tensor) -> Tensor:
        """First block of the decoder's output, as it is."""
        params = self.check_params(params)
        if self.variance_mode != "per_dimension":
            return params
        mean, _ = params.chunk(2, dim=-1)  # (..., B, 2 D) -> (..., B, D)
        return mean

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw from the density, pixel noise included: mean + std * noise, with gradients."""
        _check_optional(generator)
        mean = self.mean(params)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return mean + self.variance(params).sqrt() * noise


def _check_optional(generator: torch.Generator | None) -> None:
    if generator is not None:
        check_generator("generator", generator)


def _refuse_unused(variance: str | float, name: str, value: float, default: float) -> None:
    if value != default:
        raise ValueError(
            f"{name}={value!r} with variance={variance!r}, which does not use it: expected "
            f"{name} to be left out, or variance='shared'"
        )
