"""The loss that a VAE must have for codes that are known.

A check that watches a decoder's input knows the codes that `loss` has drawn. So it knows what the
loss and its gradient must be, exactly: nothing has to be averaged over draws.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Terms", "are_same_gradients", "compute_terms", "is_standard_normal"]


class Terms(NamedTuple):
    """What a VAE's loss is made of: means over the batch, in a scalar each.

    Attributes
    ----------
    squares
        The squared error, summed over the pixels.
    kl
        The KL from q(z|x) to the prior, by its closed form.
    kl_estimate
        The same from the one draw alone, log q(z|x) - log p(z), which is unbiased.
    """

    squares: Tensor
    kl: Tensor
    kl_estimate: Tensor


def compute_terms(
    x: Tensor,
    mu: Tensor,
    log_var: Tensor,
    noise: Tensor,
    decode: Callable[[Tensor], Tensor],
    *,
    cut: tuple[str, ...] = (),
) -> Terms:
    """Compute the terms for codes z = mu + exp(log_var / 2) * noise.

    No gradient passes through what is `cut`: "mu" or "std" in the draw, or "kl".
    """
    std = (0.5 * log_var).exp()  # (B, d)
    z = (mu.detach() if "mu" in cut else mu) + (std.detach() if "std" in cut else std) * noise
    squares = (x.flatten(1) - decode(z).flatten(1)).square().sum(1).mean()
    kl = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(1).mean()
    estimate = 0.5 * (z.square() - noise.square() - log_var).sum(1).mean()
    return Terms(squares, kl.detach() if "kl" in cut else kl, estimate)


def is_standard_normal(noise: Tensor, log_var: Tensor) -> bool:
    """Whether noise (calls, B, d) is standard normal, whatever the variance (B, d) of its code.

    Its mean, its mean square, and the correlation of the square with the log-variance must lie
    within six standard errors, which true noise leaves about once in a hundred million times.
    """
    by = (log_var - log_var.mean()) / log_var.std()
    excess = (noise.square() - 1) / 2**0.5
    means = torch.stack([noise.mean(), excess.mean(), (excess * by).mean()])
    return bool((means.abs() < 6 / noise.numel() ** 0.5).all())


def are_same_gradients(gradients: Iterable[Tensor], expected: Iterable[Tensor]) -> bool:
    """Whether the gradients of all parameters agree, up to rounding."""
    gradients, expected = list(gradients), list(expected)
    size = torch.stack([gradient.norm() for gradient in expected]).norm()
    return all(
        bool((one - other).norm() <= 1e-3 * other.norm() + 1e-6 * size)
        for one, other in zip(gradients, expected, strict=True)
    )
