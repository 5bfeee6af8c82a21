"""Peaks of a density known up to a factor, and draws: Langevin steps with a Metropolis test.

Inpainting and super-resolution both ask for codes z that fit what was seen. Their posterior density
is p(z) p(seen | z) up to a factor, its slope comes from autograd, and that is all that is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from vqvae_lib._checks import check_count

__all__ = ["Chains", "climb", "langevin"]

# The share of accepted steps at which these chains move fastest in many dimensions (Roberts and
# Rosenthal 1998).
_BEST_RATE = 0.574


class Chains(NamedTuple):
    """Where Markov chains ended.

    Attributes
    ----------
    z
        Their last states, shape (C, B, d).
    acceptance
        Share of the proposals that were accepted after the warm-up, shape (B,).
    """

    z: torch.Tensor
    acceptance: torch.Tensor


def langevin(
    log_density: Callable[[Tensor], Tensor],
    z: Tensor,
    *,
    steps: int,
    step_size: float = 0.3,
    scale: Tensor | float = 1.0,
    generator: torch.Generator,
) -> Chains:
    """Run the Metropolis-adjusted Langevin algorithm (Roberts and Tweedie 1996).

    A step goes up the slope and adds noise, ``z' = z + h²/2 s² ∇ log p(z) + h s ε``, and is taken
    with the probability that makes p the density of the chain's states in the long run. In the
    first half of the steps, the warm-up, h is adjusted to each of the B densities; then it stays,
    since a step that depends on the chain's past would spoil the balance.

    Parameters
    ----------
    log_density
        Logarithm of B densities up to a constant each: takes (C, B, d), gives (C, B). It has to be
        differentiable, and its value for one chain must not depend on another.
    z
        Where the chains begin, shape (C, B, d).
    steps
        Number of steps of each chain, two or more.
    step_size
        h at the start, above 0, in units of `scale`.
    scale
        s, how wide the density is in each direction: a number, or a shape that broadcasts against
        (B, d), such as the standard deviations of an encoder.
    generator
        Draws proposals.

    Returns
    -------
    Chains
        The C last states of each, which are independent of one another.

    Raises
    ------
    ValueError
        If a number is out of range, or the density is not finite where the chains begin.
    """
    check_count("steps", steps, least=2)
    if not 0 < step_size < float("inf"):
        raise ValueError(f"step_size={step_size!r}: expected a number above 0")
    scale = torch.as_tensor(scale, dtype=z.dtype, device=z.device)
    h = torch.full((z.shape[1],), step_size, dtype=z.dtype, device=z.device)  # (B,)
    value, slope = _value_and_slope(log_density, z.detach())
    if not value.isfinite().all():
        raise ValueError("log_density is not finite where the chains begin: expected finite values")
    taken = torch.zeros_like(h)
    warm_up = steps // 2
    for step in range(steps):
        width = h[:, None] * scale  # (B, d)
        noise = torch.randn(z.shape, generator=generator, dtype=z.dtype, device=z.device)
        proposal = z + 0.5 * width.square() * slope + width * noise
        new_value, new_slope = _value_and_slope(log_density, proposal)
        back = (z - proposal - 0.5 * width.square() * new_slope) / width
        # log of p(z') q(z|z') / p(z) q(z'|z); the Gaussians' constants cancel.
        log_ratio = new_value - value + 0.5 * (noise.square() - back.square()).sum(-1)  # (C, B)
        chance = torch.nan_to_num(log_ratio, nan=-torch.inf).clamp(max=0).exp()
        drawn = torch.rand(chance.shape, generator=generator, dtype=z.dtype, device=z.device)
        accepted = drawn < chance
        z = torch.where(accepted[..., None], proposal, z)
        value = torch.where(accepted, new_value, value)
        slope = torch.where(accepted[..., None], new_slope, slope)
        if step < warm_up:
            gain = 2.0 / (step + 1) ** 0.6  # falls, so that h settles
            h = h * (gain * (chance.mean(0) - _BEST_RATE)).clamp(-0.5, 0.5).exp()
        else:
            taken += accepted.to(z.dtype).mean(0)
    return Chains(z, taken / (steps - warm_up))


def climb(log_density: Callable[[Tensor], Tensor], z: Tensor, *, steps: int) -> Tensor:
    """Go up to a peak of a density, by Adam's steps that shrink to nothing.

    Parameters
    ----------
    log_density
        As for `langevin`.
    z
        Where the climbs begin, shape (C, B, d).
    steps
        How many, 1 or more.

    Returns
    -------
    torch.Tensor
        Where they end, shape (C, B, d): near the peak that each found, which need not be the
        highest.
    """
    check_count("steps", steps)
    z = z.detach().clone()
    optimizer = torch.optim.Adam([z], lr=0.1)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / steps)
        _, slope = _value_and_slope(log_density, z)
        z.grad = -slope
        optimizer.step()
    return z


def _value_and_slope(log_density: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    """Log-density (C, B) and its gradient in z (C, B, d)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = log_density(z)
        (slope,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), slope
