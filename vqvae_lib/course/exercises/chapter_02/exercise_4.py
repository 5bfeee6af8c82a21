"""Exercise 2.4: find a guess with two humps whose bound is nearly exact."""

import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_tensor
from vqvae_lib.course.exercises.chapter_02.grid import LOG_2PI, integral, normal_log_density
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

# The chapter's model bends a code of one number into a ring, and adds noise. The point lies at the
# back of the ring, which two codes reach.
_NOISE_VARIANCE = 0.09
_POINT = torch.tensor([-1.0, 0.0], dtype=torch.float64)


def check(log_q: Any) -> Right:
    """A function `log_q(z)` of a grid (S,) that returns the log-density of a guess, (S,)."""
    z = torch.linspace(-12, 12, 24001, dtype=torch.float64)
    value = expect_tensor(call(log_q, z), tuple(z.shape), what="log_q(z)", infinite=True)
    _refuse_unnormalised(value, z)
    coarse = torch.linspace(-12, 12, 2401, dtype=torch.float64)
    coarse_value = expect_tensor(
        call(log_q, coarse), tuple(coarse.shape), what="log_q(z)", infinite=True
    )
    # A density with jumps is off by a few per cent here; without the step, by a factor of ten.
    if abs(float(integral(coarse_value, coarse)) - 1) > 0.1:
        raise Wrong(
            "grid",
            _(
                "On a grid with another step your density no longer adds up to 1. Divide by "
                "the integral, which includes the grid's step, or use a density you know."
            ),
        )
    ring = torch.stack([torch.cos(1.5 * z), torch.sin(1.5 * z)], dim=-1)  # (S, 2)
    squares = ((_POINT - ring) ** 2).sum(-1)
    log_joint = normal_log_density(z, 0.0, 0.0) - 0.5 * squares / _NOISE_VARIANCE
    log_joint -= LOG_2PI + math.log(_NOISE_VARIANCE)
    log_px = integral(log_joint, z).log()
    q = value.exp()
    inside, dz = q > 0, z[1] - z[0]
    loss = float(log_px - (q[inside] * (log_joint - value)[inside]).sum() * dz)
    left = float(q[z < 0].sum() * dz)
    if loss > 0.1:
        _refuse_large_gap(loss, left)
    return Right(
        _("A gap of {loss:.3f} nats: two humps, and the bound is nearly exact.").format(loss=loss)
    )


def _refuse_unnormalised(log_q: Tensor, z: Tensor) -> None:
    """Raise `Wrong` unless the guess integrates to one."""
    dz = float(z[1] - z[0])
    mass = float(integral(log_q, z))
    if (log_q >= 0).all() and abs(float(log_q.sum()) * dz - 1) < 0.01:
        raise Wrong("density", _("That is the density: return its logarithm."))
    if abs(mass / dz - 1) < 0.01:
        raise Wrong(
            "no-step",
            _(
                "Your values add up to 1 as a sum. But a density has the *integral* 1, the "
                "sum times the grid's step: subtract the logarithm of the step as well."
            ),
        )
    if mass > 1.01:
        raise Wrong(
            "too-much-mass",
            _(
                "Over all codes your density adds up to {mass:.3g} instead of 1. With more "
                "mass than 1 the bound is not a bound: subtract the logarithm of the "
                "integral."
            ).format(mass=mass),
        )
    if mass < 0.99:
        raise Wrong(
            "too-little-mass",
            _(
                "Over all codes your guess adds up to {mass:.3g} instead of 1, so it is not "
                "yet a density: subtract the logarithm of the integral."
            ).format(mass=mass),
        )


def _refuse_large_gap(loss: float, left: float) -> None:
    """Refuse a guess that loses too much; `left` is its mass where z is negative."""
    if loss <= math.log(2) - 0.01:
        raise Wrong(
            "not-close",
            _(
                "A gap of {loss:.2f} nats is better than one Gaussian can do. To get below "
                "0.1, match the place and the width of both humps."
            ).format(loss=loss),
        )
    if min(left, 1 - left) < 0.01:
        raise Wrong(
            "one-hump",
            _("A gap of {loss:.2f} nats: your guess sits on one side only.").format(loss=loss),
        )
    raise Wrong(
        "too-wide",
        _(
            "A gap of {loss:.2f} nats, no better than one Gaussian. Your guess has mass on "
            "both sides, but also in between, on codes that explain nothing."
        ).format(loss=loss),
    )
