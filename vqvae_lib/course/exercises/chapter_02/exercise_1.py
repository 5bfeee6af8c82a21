"""Exercise 2.1: compute the gap between log p(x) and the ELBO on a grid."""

import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, call, expect_number, recognise
from vqvae_lib.course.exercises.chapter_02.grid import integral, normal_log_density
from vqvae_lib.course.exercises.verdicts import Right
from vqvae_lib.course.words import _

# What the notebook calls `dz`: an answer may use it by mistake.
_NOTEBOOK_STEP = 30 / 15000


def check(gap: Any) -> Right:
    """A function `gap(log_p_xz, z, mu, log_var)` that returns one number, in nats."""
    z = torch.linspace(-10, 10, 8001, dtype=torch.float64)
    # Joint densities that are mixtures: log p(x), the guess's mean and its log-variance. The first
    # log-variance is positive, so that taking it for a variance gives a number.
    cases = [(2.0, -0.5, 0.3), (-1.3, 0.4, -1.2), (-4.0, 1.0, -2.0)]
    for log_px, mu, log_var in cases:
        parts = torch.stack(
            [normal_log_density(z, 0.6, -1.0), normal_log_density(z, -0.8, -0.4) - 0.5]
        )
        log_joint = parts.logsumexp(0)  # (S,)
        log_joint += log_px - integral(log_joint, z).log()
        value = expect_number(
            call(gap, log_joint, z, mu, log_var), what="gap(log_p_xz, z, mu, log_var)"
        )
        recognise(
            torch.tensor([value], dtype=torch.float64),
            _solve(log_joint, z, normal_log_density(z, mu, log_var))[None],
            _list_mistakes(log_joint, z, mu, log_var),
            case=f"mu = {mu:g}, log_var = {log_var:g}",
        )
    return Right(
        _(
            "The gap is the KL from the guess to the posterior. How likely x is does not "
            "matter, only how the joint density is spread over the codes."
        )
    )


def _solve(log_joint: Tensor, z: Tensor, log_q: Tensor, *, dz: float | None = None) -> Tensor:
    """Log p(x) - ELBO on the grid, with the grid's own step unless another is given."""
    dz = float(z[1] - z[0]) if dz is None else dz
    log_px = log_joint.logsumexp(0) + math.log(dz)
    return log_px - (log_q.exp() * (log_joint - log_q)).sum() * dz


def _list_mistakes(log_joint: Tensor, z: Tensor, mu: float, log_var: float) -> list[Mistake]:
    dz = z[1] - z[0]
    log_q = normal_log_density(z, mu, log_var)
    q = log_q.exp()
    log_px = integral(log_joint, z).log()
    elbo = (q * (log_joint - log_q)).sum() * dz
    wide = normal_log_density(z, mu, 2 * log_var)
    candidates = [
        (
            "no-entropy",
            log_px - (q * log_joint).sum() * dz,
            _("The average of log q is missing from the ELBO: average log p(x, z) - log q(z)."),
        ),
        ("elbo", elbo, _("That is the ELBO: subtract it from log p(x).")),
        ("sign", elbo - log_px, _("The sign is wrong: log p(x) is the larger of the two.")),
        (
            "no-step",
            log_joint.logsumexp(0) - (q * (log_joint - log_q)).sum(),
            _("The grid's step is missing: an integral is a sum times dz."),
        ),
        (
            "no-step-in-evidence",
            log_joint.logsumexp(0) - elbo,
            _("log p(x) lacks the grid's step: add its logarithm."),
        ),
        (
            "no-step-in-elbo",
            log_px - (q * (log_joint - log_q)).sum(),
            _("The ELBO lacks the grid's step: multiply the sum by dz."),
        ),
        (
            "std-is-variance",
            _solve(log_joint, z, wide),
            _("`exp(log_var)` is the variance; the standard deviation is `exp(0.5 * log_var)`."),
        ),
        (
            "unit-variance",
            _solve(log_joint, z, normal_log_density(z, mu, 0.0)),
            _("The guess's variance is exp(log_var), not 1."),
        ),
        (
            "notebook-step",
            _solve(log_joint, z, log_q, dz=_NOTEBOOK_STEP),
            _(
                "This uses the notebook's `dz`. The grid you are given has its own step, "
                "`z[1] - z[0]`."
            ),
        ),
        (
            "exchanged",
            _solve(z, log_joint, normal_log_density(log_joint, mu, log_var)),
            _("`log_p_xz` comes first and `z` second: you have exchanged the two."),
        ),
        (
            "reverse",
            ((log_joint - log_px).exp() * (log_joint - log_px - log_q)).sum() * dz,
            _("That is the KL from the posterior to the guess. Average over the guess q instead."),
        ),
    ]
    if log_var > 0:
        for name, as_log_var in (("variance", math.log(log_var)), ("std", 2 * math.log(log_var))):
            candidates.append(
                (
                    f"log-var-is-{name}",
                    _solve(log_joint, z, normal_log_density(z, mu, as_log_var)),
                    _("`log_var` is log σ²: the variance is `exp(log_var)`."),
                )
            )
    return [(kind, value[None], message) for kind, value, message in candidates]
