"""Draws from a density known up to a factor: climb to a peak, then walk by Langevin steps.

Inpainting and super-resolution both look for codes z that explain what was seen. Their posterior
density p(z | seen) is p(z) p(seen | z) up to a factor, and autograd gives its slope: `climb` and
`langevin` need no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqvae_lib._checks import (
    check_count,
    check_generator,
    check_instance,
    check_number,
    check_tensor,
    raise_if_any,
)

__all__ = ["Chains", "climb", "langevin"]

LogDensity = Callable[[Tensor], Tensor]

# Step size at the start, in units of the density's width; the warm-up adjusts it.
_FIRST_STEP = 0.3
# The acceptance at which these chains move fastest in many dimensions (Roberts and Rosenthal 1998).
_BEST_ACCEPTANCE = 0.574


class Chains(NamedTuple):
    """Where Markov chains ended.

    Attributes
    ----------
    z
        The last state of each chain, shape (C, B, d).
    acceptance
        Share of the proposals that were accepted after the warm-up, shape (B,).
    """

    z: torch.Tensor
    acceptance: torch.Tensor


def langevin(
    log_density: LogDensity,
    z: Tensor,
    *,
    steps: int,
    scale: Tensor | float = 1.0,
    generator: torch.Generator,
) -> Chains:
    """Run the Metropolis-adjusted Langevin algorithm (Roberts and Tweedie 1996).

    A proposal follows the slope and adds noise, ``z' = z + h²/2 s² ∇ log p(z) + h s ε``. It is
    accepted with the probability that makes p the distribution of the chain's states in the long
    run. In the first half of the steps, the warm-up, h is adjusted to each of the B densities.
    After that it stays fixed, because a step that depends on the chain's past would bias the draws.

    Parameters
    ----------
    log_density
        Logarithm of B densities, each up to a constant: ``(C, B, d) -> (C, B)``. It must be
        differentiable, and no chain's value may depend on another chain.
    z
        Where the chains start, shape (C, B, d).
    steps
        Length of each chain, 2 or more.
    scale
        s, the width of the density in each direction: a number, or a shape that broadcasts against
        (B, d), such as an encoder's standard deviations.
    generator
        Draws the proposals and decides on them.

    Returns
    -------
    Chains
        The last states of the C chains, independent of one another if their starts are.

    Raises
    ------
    ValueError
        If a number or shape is out of range, or the density is not finite where the chains start.
    """
    z = _check_start(log_density, z)
    steps = check_count("steps", steps, least=2)
    scale = _check_scale(scale, z)
    check_generator("generator", generator)
    value, slope = _evaluate_with_slope(log_density, z)  # (C, B), (C, B, d)
    if not value.isfinite().all():
        raise ValueError(
            "log_density(z) is nan or inf where the chains start: expected finite values"
        )
    h = torch.full((z.shape[1],), _FIRST_STEP, dtype=z.dtype, device=z.device)  # (B,)
    acceptance = torch.zeros_like(h)
    warm_up = steps // 2
    for step in range(steps):
        width = h[:, None] * scale  # (B, d)
        noise = torch.randn(z.shape, generator=generator, dtype=z.dtype, device=z.device)
        proposal = z + 0.5 * width.square() * slope + width * noise
        new_value, new_slope = _evaluate_with_slope(log_density, proposal)
        # The noise that would lead from the proposal back to z.
        noise_back = (z - proposal - 0.5 * width.square() * new_slope) / width
        # log of p(z') q(z|z') / p(z) q(z'|z), where the constants of the Gaussians q cancel.
        log_ratio = new_value - value + 0.5 * (noise.square() - noise_back.square()).sum(-1)
        probability = torch.nan_to_num(log_ratio, nan=-torch.inf).clamp(max=0).exp()  # (C, B)
        uniform = torch.rand(probability.shape, generator=generator, dtype=z.dtype, device=z.device)
        accept = uniform < probability
        z = torch.where(accept[..., None], proposal, z)
        value = torch.where(accept, new_value, value)
        slope = torch.where(accept[..., None], new_slope, slope)
        if step < warm_up:
            gain = 2.0 / (step + 1) ** 0.6  # shrinks, so that h settles
            excess = probability.mean(0) - _BEST_ACCEPTANCE  # (B,)
            h = h * (gain * excess).clamp(-0.5, 0.5).exp()
        else:
            acceptance += accept.to(z.dtype).mean(0) / (steps - warm_up)
    return Chains(z, acceptance)


def climb(log_density: LogDensity, z: Tensor, *, steps: int) -> Tensor:
    """Climb to a peak of a density, by Adam with a step that shrinks to nothing.

    Parameters
    ----------
    log_density
        As for `langevin`.
    z
        Where the climbs start, shape (C, B, d).
    steps
        Length of each climb.

    Returns
    -------
    torch.Tensor
        Where the climbs end, shape (C, B, d): each near some peak, not necessarily the highest.
    """
    z = _check_start(log_density, z)
    steps = check_count("steps", steps)
    z = z.detach().clone()
    optimizer = torch.optim.Adam([z], lr=0.1)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / steps)
        _, slope = _evaluate_with_slope(log_density, z)
        z.grad = -slope  # Adam descends
        optimizer.step()
    return z


def _check_start(log_density: LogDensity, z: Tensor) -> Tensor:
    """Return where chains start; ValueError or TypeError if they cannot."""
    check_instance("log_density", log_density, Callable, "a function of codes z")  # type: ignore[arg-type]
    return check_tensor("z", z, ("C", "B", "d"), least=1, finite=True)


def _check_scale(scale: Tensor | float, z: Tensor) -> Tensor:
    """Return the widths of a density, which broadcast against (B, d)."""
    if not isinstance(scale, Tensor | np.ndarray) or not scale.ndim:
        return z.new_tensor(check_number("scale", scale, above=0))
    scale = check_tensor("scale", scale, like=z, finite=True)
    raise_if_any("scale", scale, scale <= 0, "numbers above 0")
    B, d = z.shape[1:]
    if scale.ndim > 2 or any(
        n not in (1, size) for n, size in zip(scale.shape[::-1], (d, B), strict=False)
    ):
        raise ValueError(f"scale has shape {tuple(scale.shape)}: expected (d,) or ({B}, {d})")
    return scale


def _evaluate_with_slope(log_density: LogDensity, z: Tensor) -> tuple[Tensor, Tensor]:
    """Log-density (C, B) and its gradient in z, (C, B, d)."""
    with torch.inference_mode(False), torch.enable_grad():
        z = z.detach().clone().requires_grad_()  # a copy of what was made in inference mode
        value = check_tensor("log_density(z)", log_density(z), tuple(z.shape[:2]))
        if not value.requires_grad:
            raise ValueError("log_density(z) does not follow z by autograd: expected a slope")
        (slope,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), slope
