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

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vqvae_lib._checks import check_count, check_number, raise_if_any

__all__ = ["Bernoulli", "Binomial", "Gaussian", "Likelihood"]


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
            Output of the decoder, shape (..., B, P * D).

        Returns
        -------
        torch.Tensor
            Shape (..., B, D).
        """

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """Mean of p(x|z): ``(..., B, P * D) -> (..., B, D)``."""

    @abstractmethod
    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw x from p(x|z): ``(..., B, P * D) -> (..., B, D)``."""

    def settings(self) -> dict[str, str | float]:
        """Return the arguments that build this likelihood again, for its repr and for files."""
        return {}

    def extra_repr(self) -> str:
        """Show the settings when the model is printed."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings().items())

    def check_data(self, x: Tensor) -> None:
        """Raise ValueError for the first value of x that this distribution cannot produce."""
        raise_if_any("x", x, ~x.isfinite(), "finite numbers")

    def check_params(self, params: Tensor, D: int) -> None:
        """Raise ValueError if the decoder was made for another likelihood or another D."""
        width = self.params_per_dimension * D
        if params.shape[-1] != width:
            raise ValueError(
                f"the decoder's output has shape {tuple(params.shape)}: expected (..., {width}), "
                f"the {' and the '.join(self.param_names)} of each of D={D} dimensions, for {self}"
            )


class Bernoulli(Likelihood):
    """Black or white: each dimension is 0 or 1.

    Grey values in between are not outcomes of a coin. Their "binary cross-entropy" is often
    reported as a negative log-likelihood, but it isn't one: even a perfect model does not bring
    it to zero. Use `vqvae_lib.data.binarise` first, or `Binomial` or `Gaussian`.
    """

    param_names = ("logit",)

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """``x log p + (1 - x) log(1 - p)`` with p = sigmoid(logit), of each dimension."""
        return x * params - softplus(params)  # the same, without the logarithm of a tiny p

    def mean(self, params: Tensor) -> Tensor:
        """Probability of a 1."""
        return params.sigmoid()

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw zeros and ones."""
        return torch.bernoulli(params.sigmoid(), generator=generator)

    def check_data(self, x: Tensor) -> None:
        """Raise ValueError for anything but 0 and 1."""
        expected = "0 or 1 (binarise grey values, or use Binomial or Gaussian)"
        raise_if_any("x", x, (x != 0) & (x != 1), expected)


class Binomial(Likelihood):
    """Grey levels as counts: n points per dimension, each black with probability p.

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
        """``log C(n, k) + k log p + (n - k) log(1 - p)`` with k = n x, of each dimension."""
        n = self.total_count
        k = n * x  # (B, D)
        log_choose = math.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)  # (B, D)
        return log_choose + k * params - n * softplus(params)  # (..., B, D)

    def mean(self, params: Tensor) -> Tensor:
        """Mean of count / n, which is p."""
        return params.sigmoid()

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw counts, divided by n."""
        p = params.sigmoid()
        n = torch.full_like(p, self.total_count)
        return torch.binomial(n, p, generator=generator) / n

    def check_data(self, x: Tensor) -> None:
        """Raise ValueError for anything but 0, 1/n, 2/n, …, 1."""
        k = self.total_count * x
        whole = (x >= 0) & (x <= 1) & ((k - k.round()).abs() < 1e-3)
        raise_if_any("x", x, ~whole, f"fractions in [0, 1], counts divided by {self.total_count}")


class Gaussian(Likelihood):
    """Real numbers: the decoder gives the mean, and `variance` says where the variance comes from.

    Squared error is this likelihood in disguise: summed over the dimensions it stands for a
    variance of 1/2, averaged over them for D/2. For data in [0, 1] both are far too wide, and the
    KL term then presses the code flat. A shared variance settles at the mean squared error.

    Parameters
    ----------
    variance
        "shared": one trained variance for all dimensions. "per_dimension": the decoder gives a
        second block of D numbers, the raw log-variances. A number: fixed at this value.
    min_variance
        Floor of a variance that is not fixed: ``min_variance + exp(raw_log_var)``. Without it the
        likelihood of a pixel that never changes would grow without bound.
    initial_variance
        Where a shared variance starts, above `min_variance`. An optimiser moves its logarithm by
        about the learning rate per step, so a short training suffers from a start far from the
        mean squared error. 0.1 lies between the variance of grey images and their best error.

    Attributes
    ----------
    variance_mode
        "shared", "per_dimension" or "fixed".

    Raises
    ------
    ValueError
        If `variance` is neither of the two words nor a number above 0, or another argument is
        out of range.
    """

    param_names: tuple[str, ...] = ("mean",)

    def __init__(
        self,
        variance: str | float = "shared",
        *,
        min_variance: float = 1e-4,
        initial_variance: float = 0.1,
    ) -> None:
        super().__init__()
        self.min_variance = check_number("min_variance", min_variance, least=0)
        match variance:
            case "shared":
                self.variance_mode = "shared"
                self.initial_variance = check_number(
                    "initial_variance", initial_variance, above=self.min_variance
                )
                raw = math.log(self.initial_variance - self.min_variance)
                self.raw_log_var = nn.Parameter(torch.tensor(raw))
            case "per_dimension":
                self.variance_mode = "per_dimension"
                self.param_names = ("mean", "raw_log_var")
            case str():
                raise ValueError(
                    f"variance={variance!r}: expected 'shared', 'per_dimension' or a number above 0"
                )
            case _:
                self.variance_mode = "fixed"
                self.fixed_variance = check_number("variance", variance, above=0)

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
        """Variance of p(x|z): one number, or shape (..., B, D) where it is per dimension."""
        if self.variance_mode == "fixed":
            return params.new_tensor(self.fixed_variance)
        if self.variance_mode == "shared":
            return self.min_variance + self.raw_log_var.exp()
        _, raw_log_var = params.chunk(2, dim=-1)  # (..., B, 2 D) -> (..., B, D)
        return self.min_variance + raw_log_var.exp()

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """``-½ [(x - mean)² / variance + log variance + log 2π]``, of each dimension."""
        variance = self.variance(params)
        squares = (x - self.mean(params)).square() / variance  # (..., B, D)
        return -0.5 * (squares + variance.log() + math.log(2 * math.pi))

    def mean(self, params: Tensor) -> Tensor:
        """Mean, of any sign."""
        if self.variance_mode != "per_dimension":
            return params
        mean, _ = params.chunk(2, dim=-1)  # (..., B, 2 D) -> (..., B, D)
        return mean

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw from the density, pixel noise included."""
        mean = self.mean(params)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return mean + self.variance(params).sqrt() * noise
