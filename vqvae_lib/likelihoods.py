"""Likelihoods p(x|z): how the decoder's numbers become a distribution of the data.

A decoder ends in plain linear outputs, the *parameters* of a distribution for each of the D data
dimensions. A likelihood reads them: it gives log-probabilities, the mean image, and samples. It
never sums over dimensions; that is done in `vqvae_lib.bounds` alone.

Which one fits the data decides what the numbers mean. Log-probabilities of different kinds of data
(black and white, counts, continuous) cannot be compared with each other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vqvae_lib._checks import check_count

__all__ = ["Bernoulli", "Binomial", "Gaussian", "Likelihood"]


class Likelihood(nn.Module):
    """Base of the likelihoods: what a model asks of p(x|z).

    Attributes
    ----------
    params_per_dimension
        How many numbers the decoder gives for each of the D dimensions of x.
    """

    params_per_dimension: int = 1

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """Log-probability of each dimension, in nats, not summed.

        Parameters
        ----------
        x
            Data, shape (B, D).
        params
            Output of the decoder, shape (..., B, D * params_per_dimension).

        Returns
        -------
        torch.Tensor
            Shape (..., B, D).
        """
        raise NotImplementedError

    def mean(self, params: Tensor) -> Tensor:
        """Mean of p(x|z): ``(..., D * params_per_dimension) -> (..., D)``."""
        raise NotImplementedError

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw x from p(x|z): ``(..., D * params_per_dimension) -> (..., D)``."""
        raise NotImplementedError

    def check_data(self, x: Tensor) -> None:
        """Refuse data that this distribution cannot produce.

        Raises
        ------
        ValueError
            Naming the first value that does not fit, and what would.
        """
        _refuse(x, ~x.isfinite(), "finite numbers")

    def check_params(self, params: Tensor, D: int) -> None:
        """Refuse the output of a decoder that was made for another likelihood or other data.

        Raises
        ------
        ValueError
            Naming the width that came and the one that fits.
        """
        width = D * self.params_per_dimension
        if params.shape[-1] != width:
            each = "one number" if self.params_per_dimension == 1 else "mean and log-variance"
            raise ValueError(
                f"the decoder's output has shape {tuple(params.shape)}: expected (..., {width}), "
                f"{each} for each of D={D} dimensions, for {type(self).__name__}"
            )


class Bernoulli(Likelihood):
    """Black or white: each dimension is 0 or 1, the decoder gives logits.

    Grey values in between are no outcomes of a coin. Their "binary cross-entropy" is often
    reported as a likelihood and is none: it does not go to zero for a perfect model. Use
    `vqvae_lib.data.binarise` first, or `Binomial` or `Gaussian`.
    """

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """Log-probability of each dimension, ``x log p + (1 - x) log(1 - p)``, p = sigmoid."""
        return x * params - softplus(params)  # the same without the logarithm of a small number

    def mean(self, params: Tensor) -> Tensor:
        """Probability of a 1."""
        return params.sigmoid()

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw zeros and ones."""
        return torch.bernoulli(params.sigmoid(), generator=generator)

    def check_data(self, x: Tensor) -> None:
        """Refuse anything but 0 and 1."""
        _refuse(
            x,
            (x != 0) & (x != 1),
            "0 or 1 (binarise grey values, or use Binomial or Gaussian)",
        )


class Binomial(Likelihood):
    """Counts from 0 to `total_count`, divided by it: grey levels, exactly.

    The 8x8 digits are counts: each pixel says how many of 16 points carry ink. Data stay fractions
    in [0, 1], as `vqvae_lib.data.load_digits` gives them, so that means are images. The
    probability is that of the count. The decoder gives logits.

    Parameters
    ----------
    total_count
        The largest count, 1 or more; `ImageData.levels`.

    Raises
    ------
    ValueError
        If `total_count` is not a whole number of at least 1.
    """

    def __init__(self, total_count: int) -> None:
        super().__init__()
        check_count("total_count", total_count)
        self.total_count = total_count

    def extra_repr(self) -> str:
        """Name the count when the model is printed."""
        return f"total_count={self.total_count}"

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """Log-probability of each dimension's count ``x * total_count``."""
        n = self.total_count
        count = n * x
        ways = math.lgamma(n + 1) - torch.lgamma(count + 1) - torch.lgamma(n - count + 1)
        return ways + n * (x * params - softplus(params))

    def mean(self, params: Tensor) -> Tensor:
        """Mean fraction."""
        return params.sigmoid()

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw counts, as fractions."""
        p = params.sigmoid()
        n = torch.full_like(p, self.total_count)
        return torch.binomial(n, p, generator=generator) / self.total_count

    def check_data(self, x: Tensor) -> None:
        """Refuse what is not a whole number of `total_count`-ths between 0 and 1."""
        count = self.total_count * x
        fits = (x >= 0) & (x <= 1) & ((count - count.round()).abs() < 1e-3)
        _refuse(x, ~fits, f"fractions in [0, 1], counts divided by {self.total_count}")


class Gaussian(Likelihood):
    """Real numbers: the decoder gives the mean; the variance is learned, given, or fixed.

    Squared error is this likelihood in disguise: summed over the dimensions it stands for a
    variance of 1/2, averaged over them for D/2. On data in [0, 1] both are far too wide, and the
    KL term then presses the code flat. One learned variance settles at the mean squared error.

    Parameters
    ----------
    variance
        "learned": one number, a parameter of the likelihood. "heads": the decoder gives a
        log-variance for each dimension, behind the D means. A number: fixed.
    min_variance
        Floor, added to a variance that is learned or given. Without it the likelihood of a pixel
        that never changes would grow without bound.
    initial
        Where a learned variance starts, above 0. The optimiser moves its logarithm by about the
        learning rate a step: in a short training a start far from the mean squared error is a
        handicap. 0.1 lies between the variance of grey images and their best error.

    Raises
    ------
    ValueError
        If `variance` is neither a known word nor a number above 0, `min_variance` is below 0, or
        `initial` is not above 0.
    """

    def __init__(
        self,
        variance: str | float = "learned",
        *,
        min_variance: float = 1e-4,
        initial: float = 0.1,
    ) -> None:
        super().__init__()
        if not 0 < initial < math.inf:
            raise ValueError(f"initial={initial!r}: expected a number above 0")
        if not 0 <= min_variance < math.inf:
            raise ValueError(f"min_variance={min_variance!r}: expected a number, 0 or more")
        self.min_variance = float(min_variance)
        self.kind = variance if isinstance(variance, str) else "fixed"
        if variance == "heads":
            self.params_per_dimension = 2
        elif variance == "learned":
            self.raw_log_var = nn.Parameter(torch.tensor(math.log(initial)))
        elif isinstance(variance, int | float) and 0 < variance < math.inf:
            self.fixed_variance: Tensor
            self.register_buffer("fixed_variance", torch.tensor(float(variance)))
        else:
            raise ValueError(
                f"variance={variance!r}: expected 'learned', 'heads' or a number above 0"
            )

    def extra_repr(self) -> str:
        """Name the kind of variance when the model is printed."""
        if self.kind == "fixed":
            return f"variance={self.fixed_variance.item():g}"
        return self.kind + f", min_variance={self.min_variance:g}" * (self.min_variance != 1e-4)

    def variance(self, params: Tensor) -> Tensor:
        """Variance of p(x|z): a scalar where it is shared, (..., D) with heads."""
        if self.kind == "fixed":
            return self.fixed_variance
        raw = self._split(params)[1] if self.kind == "heads" else self.raw_log_var
        return self.min_variance + raw.exp()

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """Log-density of each dimension."""
        variance = self.variance(params)
        squares = (x - self.mean(params)).square() / variance
        return -0.5 * (squares + variance.log() + math.log(2 * math.pi))

    def mean(self, params: Tensor) -> Tensor:
        """Mean, of any sign."""
        return self._split(params)[0] if self.kind == "heads" else params

    def sample(self, params: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw from the density, noise included."""
        mean = self.mean(params)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return mean + self.variance(params).sqrt() * noise

    @staticmethod
    def _split(params: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw_log_var = params.chunk(2, dim=-1)  # (..., 2 D) -> (..., D) each
        return mean, raw_log_var


def _refuse(x: Tensor, wrong: Tensor, expected: str) -> None:
    if not wrong.any():
        return
    place = tuple(wrong.nonzero()[0].tolist())
    raise ValueError(
        f"x{list(place)} is {x[place].item():.6g}, one of {int(wrong.sum())} such values: "
        f"expected {expected}"
    )
