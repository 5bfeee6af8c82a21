"""Checks of chapter 2, Latent variables and the ELBO."""

import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    call,
    expect_number,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.words import _

_LOG_2PI = math.log(2 * math.pi)
# The model of the chapter: a code of one number, bent into a ring, and noise around it.
_NOISE_VARIANCE = 0.09
_BACK = torch.tensor([-1.0, 0.0], dtype=torch.float64)
# What the notebook calls `dz` and, once its cells have run, `K`: an answer may take them up.
_NOTEBOOK_STEP = 30 / 15000
_NOTEBOOK_K = 1000


# Exercise 1 ---------------------------------------------------------------------------------------


def _normal(z: Tensor, mu: float, log_var: float) -> Tensor:
    """Log-density of N(mu, exp(log_var)) at z (S,)."""
    return -0.5 * ((z - mu) ** 2 / math.exp(log_var) + log_var + _LOG_2PI)


def ex_02_1(gap: Any) -> Right:
    """A function `gap(log_p_xz, z, mu, log_var)` that returns one number, in nats."""
    z = torch.linspace(-10, 10, 8001, dtype=torch.float64)
    # Joint densities that are mixtures: log p(x), the guess's mean and its log-variance. The first
    # log-variance is positive, so that taking it for a variance gives a number.
    cases = [(2.0, -0.5, 0.3), (-1.3, 0.4, -1.2), (-4.0, 1.0, -2.0)]
    for log_px, mu, log_var in cases:
        parts = torch.stack([_normal(z, 0.6, -1.0), _normal(z, -0.8, -0.4) - 0.5])
        log_joint = parts.logsumexp(0)  # (S,)
        log_joint += log_px - _integral(log_joint, z).log()
        value = expect_number(
            call(gap, log_joint, z, mu, log_var), what="gap(log_p_xz, z, mu, log_var)"
        )
        recognise(
            torch.tensor([value], dtype=torch.float64),
            _gap(log_joint, z, _normal(z, mu, log_var))[None],
            _gap_mistakes(log_joint, z, mu, log_var),
            case=f"mu = {mu:g}, log_var = {log_var:g}",
        )
    return Right(
        _(
            "The gap is the KL from the guess to the posterior: it does not matter how likely x "
            "is, only how the joint density is spread over the codes."
        )
    )


def _integral(log_density: Tensor, z: Tensor) -> Tensor:
    return log_density.exp().sum() * (z[1] - z[0])


def _gap(log_joint: Tensor, z: Tensor, log_q: Tensor, *, dz: float | None = None) -> Tensor:
    """Log p(x) - ELBO on the grid, with its own step or the one given."""
    dz = float(z[1] - z[0]) if dz is None else dz
    log_px = log_joint.logsumexp(0) + math.log(dz)
    return log_px - (log_q.exp() * (log_joint - log_q)).sum() * dz


def _gap_mistakes(
    log_joint: Tensor, z: Tensor, mu: float, log_var: float
) -> list[tuple[str, Tensor, str]]:
    dz = z[1] - z[0]
    log_q = _normal(z, mu, log_var)
    q = log_q.exp()
    log_px = _integral(log_joint, z).log()
    elbo = (q * (log_joint - log_q)).sum() * dz
    wide = _normal(z, mu, 2 * log_var)
    candidates = [
        (
            "no-entropy",
            log_px - (q * log_joint).sum() * dz,
            _(
                "The average of log q is missing from the ELBO: what is averaged is "
                "log p(x, z) - log q(z)."
            ),
        ),
        ("elbo", elbo, _("That is the ELBO: subtract it from log p(x).")),
        ("sign", elbo - log_px, _("The sign: log p(x) is the larger of the two.")),
        (
            "no-step",
            log_joint.logsumexp(0) - (q * (log_joint - log_q)).sum(),
            _("The step of the grid is missing: an integral is a sum times dz."),
        ),
        (
            "no-step-in-evidence",
            log_joint.logsumexp(0) - elbo,
            _("log p(x) lacks the step of the grid: add its logarithm."),
        ),
        (
            "no-step-in-elbo",
            log_px - (q * (log_joint - log_q)).sum(),
            _("The ELBO lacks the step of the grid: multiply the sum by dz."),
        ),
        (
            "std-is-variance",
            _gap(log_joint, z, wide),
            _("`exp(log_var)` is the variance; the standard deviation is `exp(0.5 * log_var)`."),
        ),
        (
            "unit-variance",
            _gap(log_joint, z, _normal(z, mu, 0.0)),
            _("The guess's variance is exp(log_var), not 1."),
        ),
        (
            "notebook-step",
            _gap(log_joint, z, log_q, dz=_NOTEBOOK_STEP),
            _(
                "This uses the notebook's `dz`. The grid that is handed in has a step of its own: "
                "`z[1] - z[0]`."
            ),
        ),
        (
            "exchanged",
            _gap(z, log_joint, _normal(log_joint, mu, log_var)),
            _("`log_p_xz` comes first and `z` second: the two are exchanged."),
        ),
        (
            "reverse",
            ((log_joint - log_px).exp() * (log_joint - log_px - log_q)).sum() * dz,
            _("That is the KL from the posterior to the guess: the average is over the guess q."),
        ),
    ]
    if log_var > 0:
        for name, as_log_var in (("variance", math.log(log_var)), ("std", 2 * math.log(log_var))):
            candidates.append(
                (
                    f"log-var-is-{name}",
                    _gap(log_joint, z, _normal(z, mu, as_log_var)),
                    _("`log_var` is log σ²: the variance is `exp(log_var)`."),
                )
            )
    return [(kind, value[None], message) for kind, value, message in candidates]


# Exercise 2 ---------------------------------------------------------------------------------------


def ex_02_2(kl: Any) -> Right:
    """A function `kl(mu, log_var)` of two tensors (B, d) that returns (B,)."""
    for seed, (B, d) in enumerate([(5, 3), (3, 8), (4, 4), (1, 2)]):
        generator = torch.Generator().manual_seed(seed)
        mu = torch.randn(B, d, generator=generator)
        log_var = torch.randn(B, d, generator=generator)
        if seed == 0:  # where it is positive, taking it for σ or σ² gives a number
            log_var = log_var.abs()
        value = call(kl, mu, log_var)
        shape = getattr(value, "shape", None)
        if shape == (B, d) and d != 1:
            raise Wrong(
                "per-dimension",
                _("One number for each dimension came back: add them up, one number a sample."),
            )
        if shape == () and B > 1:
            raise Wrong(
                "averaged-over-batch",
                _("One number came back for the whole batch: keep one for each sample."),
            )
        if shape == (d,) and d != B:
            raise Wrong(
                "wrong-axis",
                _("This adds over the batch: add over the dimensions, the last axis."),
            )
        value = expect_tensor(value, (B,), what="kl(mu, log_var)")
        recognise(value, _kl(mu, log_var), _kl_mistakes(mu, log_var))
    return Right(
        _(
            "Zero exactly where mu = 0 and log_var = 0, the prior itself, and summed: each "
            "dimension pays its own price."
        )
    )


def _kl(mu: Tensor, log_var: Tensor) -> Tensor:
    mu, log_var = mu.double(), log_var.double()
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)


def _kl_mistakes(mu: Tensor, log_var: Tensor) -> list[tuple[str, Tensor, str]]:
    mu, log_var = mu.double(), log_var.double()
    terms = mu**2 + log_var.exp() - 1 - log_var
    back = log_var + (1 + mu**2) / log_var.exp() - 1
    return [
        (
            "mean",
            0.5 * terms.mean(1),
            _("You averaged over the dimensions: the KL is a sum, and yours is d times too small."),
        ),
        ("no-half", terms.sum(1), _("The factor ½ is missing.")),
        ("sign", -0.5 * terms.sum(1), _("The sign: a KL is never negative.")),
        (
            "std",
            0.5 * (mu**2 + (0.5 * log_var).exp() - 1 - 0.5 * log_var).sum(1),
            _("`exp(0.5 * log_var)` is the standard deviation; the formula wants the variance."),
        ),
        (
            "log-var-is-log-std",
            0.5 * (mu**2 + (2 * log_var).exp() - 1 - 2 * log_var).sum(1),
            _("`log_var` is already log σ²: do not square once more."),
        ),
        (
            "abs-mu",
            0.5 * (mu + log_var.exp() - 1 - log_var).sum(1),
            _("The mean enters as its square."),
        ),
        (
            "no-one",
            0.5 * (mu**2 + log_var.exp() - log_var).sum(1),
            _("The -1 is missing: at mu = 0 and log_var = 0 the KL must be zero."),
        ),
        (
            "reverse",
            0.5 * back.sum(1),
            _("That is the KL from the prior to q, the other direction."),
        ),
        (
            "plus-log",
            0.5 * (mu**2 + log_var.exp() - 1 + log_var).sum(1),
            _("The sign of log σ²: a narrow q, with log σ² far below zero, must cost more."),
        ),
        (
            "one-once",
            0.5 * ((mu**2 + log_var.exp() - log_var).sum(1) - 1),
            _("The -1 belongs to each dimension: it goes inside the sum, d times in all."),
        ),
        (
            "exchanged",
            0.5 * (log_var**2 + mu.exp() - 1 - mu).sum(1),
            _("`mu` comes first and `log_var` second: the two are exchanged."),
        ),
        (
            "log-var-is-variance",
            0.5 * (mu**2 + log_var - 1 - log_var.log()).sum(1),
            _("`log_var` is log σ², not σ²: the variance is `log_var.exp()`."),
        ),
        (
            "log-var-is-std",
            0.5 * (mu**2 + log_var**2 - 1 - (log_var**2).log()).sum(1),
            _("`log_var` is log σ², not σ: the variance is `log_var.exp()`."),
        ),
    ]


# Exercise 3 ---------------------------------------------------------------------------------------


def ex_02_3(iwae: Any) -> Right:
    """A function `iwae(log_w)` of log-weights (K, B) that returns (B,)."""
    generator = torch.Generator().manual_seed(0)
    for K, B, shift in ((6, 4, 0.0), (1, 3, 0.0), (50, 2, -3.0)):
        log_w = 2 * torch.randn(K, B, generator=generator) + shift
        value = call(iwae, log_w)
        if getattr(value, "shape", None) == (K,) and K != B:
            raise Wrong("wrong-axis", _("The average runs over the K draws, the first axis."))
        if getattr(value, "shape", None) == ():
            raise Wrong(
                "averaged-over-batch",
                _("One number came back for the whole batch: keep one for each point."),
            )
        value = expect_tensor(value, (B,), what="iwae(log_w)")
        recognise(value, _iwae(log_w), _iwae_mistakes(log_w))
    far = torch.tensor([[-800.0, 700.0], [-801.0, 699.0]])
    value = call(iwae, far)
    if not torch.as_tensor(value).isfinite().all():
        raise Wrong(
            "leaves-the-logarithm",
            _(
                "Right where the weights are moderate; but for log-weights of -800 or 700 the "
                "result is not finite: exp under- or overflows. `torch.logsumexp` does not."
            ),
        )
    recognise(expect_tensor(value, (2,), what="iwae(log_w)"), _iwae(far), [])
    return Right(
        _("For K = 1 it is the log-weight itself, whose average is the ELBO; more draws raise it.")
    )


def _iwae(log_w: Tensor) -> Tensor:
    return log_w.double().logsumexp(0) - math.log(len(log_w))


def _iwae_mistakes(log_w: Tensor) -> list[tuple[str, Tensor, str]]:
    log_w = log_w.double()
    K = len(log_w)
    return [
        (
            "elbo",
            log_w.mean(0),
            _("That averages the logarithms, which is the ELBO: average the weights first."),
        ),
        (
            "sum",
            log_w.logsumexp(0),
            _("That is the logarithm of the sum: divide by K, that is, subtract log K."),
        ),
        (
            "divided-outside",
            log_w.logsumexp(0) / K,
            _("The 1/K belongs inside the logarithm: subtract log K instead of dividing by K."),
        ),
        ("no-logarithm", log_w.exp().mean(0), _("The logarithm is missing.")),
        ("sign", -_iwae(log_w), _("The sign: this is the bound, not a loss.")),
        ("max", log_w.amax(0), _("That is the largest log-weight alone.")),
        (
            "max-left-out",
            _iwae(log_w) - log_w.amax(0),
            _("The maximum was taken out and never put back: add the maximum back at the end."),
        ),
        (
            "plus-log-k",
            log_w.logsumexp(0) + math.log(K),
            _("The sign of log K: an average is the sum divided by K, so log K is subtracted."),
        ),
        *(
            (
                "another-k",
                log_w.logsumexp(0) - math.log(other),
                _("You divide by {other}. K is the number of rows of `log_w`, here {K}.").format(
                    other=other, K=K
                ),
            )
            for other in (log_w.shape[1], _NOTEBOOK_K)
            if other > 1
        ),
    ]


# Exercise 4 ---------------------------------------------------------------------------------------


def ex_02_4(log_q: Any) -> Right:
    """A function `log_q(z)` of a grid (S,) that returns the log-density of a guess, (S,)."""
    z = torch.linspace(-12, 12, 24001, dtype=torch.float64)
    value = expect_tensor(call(log_q, z), tuple(z.shape), what="log_q(z)", infinite=True)
    _refuse_no_density(value, z)
    coarse = torch.linspace(-12, 12, 2401, dtype=torch.float64)
    again = expect_tensor(call(log_q, coarse), tuple(coarse.shape), what="log_q(z)", infinite=True)
    # A density with jumps is off by a few per cent here; without the step, by a factor of ten.
    if abs(float(_integral(again, coarse)) - 1) > 0.1:
        raise Wrong(
            "grid",
            _(
                "On a grid of another step your density no longer adds up to 1: normalise by the "
                "integral, that is, with the step of the grid, or use a density you know."
            ),
        )
    ring = torch.stack([torch.cos(1.5 * z), torch.sin(1.5 * z)], dim=-1)  # (S, 2)
    squares = ((_BACK - ring) ** 2).sum(-1)
    log_joint = _normal(z, 0.0, 0.0) - 0.5 * squares / _NOISE_VARIANCE
    log_joint -= _LOG_2PI + math.log(_NOISE_VARIANCE)
    log_px = _integral(log_joint, z).log()
    q = value.exp()
    inside, dz = q > 0, z[1] - z[0]
    loss = float(log_px - (q[inside] * (log_joint - value)[inside]).sum() * dz)
    left = float(q[z < 0].sum() * dz)
    if loss > 0.1:
        _say_what_is_lost(loss, left)
    return Right(
        _("A gap of {loss:.3f} nats: two humps, and the bound is nearly exact.").format(loss=loss)
    )


def _refuse_no_density(log_q: Tensor, z: Tensor) -> None:
    """Say so unless the guess integrates to one."""
    dz = float(z[1] - z[0])
    mass = float(_integral(log_q, z))
    if (log_q >= 0).all() and abs(float(log_q.sum()) * dz - 1) < 0.01:
        raise Wrong("density", _("That is the density: return its logarithm."))
    if abs(mass / dz - 1) < 0.01:
        raise Wrong(
            "no-step",
            _(
                "Your values add up to 1 as a sum. A density has the *integral* 1, the sum times "
                "the step of the grid: subtract the logarithm of the step too."
            ),
        )
    if mass > 1.01:
        raise Wrong(
            "too-much-mass",
            _(
                "Over all codes your density adds up to {mass:.3g}, not to 1. With more mass than "
                "1 the bound is no bound: divide by it, that is, subtract its logarithm."
            ).format(mass=mass),
        )
    if mass < 0.99:
        raise Wrong(
            "too-little-mass",
            _(
                "Over all codes your guess adds up to {mass:.3g}, not to 1, so it is no density "
                "yet: divide by its integral, that is, subtract the logarithm."
            ).format(mass=mass),
        )


def _say_what_is_lost(loss: float, left: float) -> None:
    """Refuse a guess that loses too much; `left` is its mass where z is negative."""
    if loss <= math.log(2) - 0.01:
        raise Wrong(
            "not-close",
            _(
                "A gap of {loss:.2f} nats: better than one Gaussian. Match the place and the width "
                "of the two humps to get below 0.1."
            ).format(loss=loss),
        )
    if min(left, 1 - left) < 0.01:
        raise Wrong(
            "one-hump",
            _("A gap of {loss:.2f} nats: your guess sits on one side alone.").format(loss=loss),
        )
    raise Wrong(
        "too-wide",
        _(
            "A gap of {loss:.2f} nats, no better than one Gaussian. Both sides have mass, but "
            "so have codes between that explain nothing."
        ).format(loss=loss),
    )
