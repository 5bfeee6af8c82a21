"""Exercise 2.2: write the KL from a diagonal Gaussian to the prior."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, call, expect_tensor, recognise
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _


def check(kl: Any) -> Right:
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
                _(
                    "You return one number for each dimension: add them up, to get one number per "
                    "sample."
                ),
            )
        if shape == () and B > 1:
            raise Wrong(
                "averaged-over-batch",
                _("You return one number for the whole batch: keep one for each sample."),
            )
        if shape == (d,) and d != B:
            raise Wrong(
                "wrong-axis",
                _("You add over the batch: add over the dimensions, the last axis."),
            )
        value = expect_tensor(value, (B,), what="kl(mu, log_var)")
        recognise(value, _solve(mu, log_var), _list_mistakes(mu, log_var))
    return Right(
        _(
            "It is zero exactly where mu = 0 and log_var = 0, at the prior itself, and it is "
            "a sum: each dimension pays its own price."
        )
    )


def _solve(mu: Tensor, log_var: Tensor) -> Tensor:
    mu, log_var = mu.double(), log_var.double()
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)


def _list_mistakes(mu: Tensor, log_var: Tensor) -> list[Mistake]:
    mu, log_var = mu.double(), log_var.double()
    terms = mu**2 + log_var.exp() - 1 - log_var
    back = log_var + (1 + mu**2) / log_var.exp() - 1
    return [
        (
            "mean",
            0.5 * terms.mean(1),
            _("You averaged over the dimensions. The KL is a sum: yours is d times too small."),
        ),
        ("no-half", terms.sum(1), _("The factor ½ is missing.")),
        ("sign", -0.5 * terms.sum(1), _("The sign is wrong: a KL is never negative.")),
        (
            "std",
            0.5 * (mu**2 + (0.5 * log_var).exp() - 1 - 0.5 * log_var).sum(1),
            _("`exp(0.5 * log_var)` is the standard deviation; the formula needs the variance."),
        ),
        (
            "log-var-is-log-std",
            0.5 * (mu**2 + (2 * log_var).exp() - 1 - 2 * log_var).sum(1),
            _("`log_var` is already log σ²: do not square it again."),
        ),
        (
            "abs-mu",
            0.5 * (mu + log_var.exp() - 1 - log_var).sum(1),
            _("The mean enters the formula squared."),
        ),
        (
            "no-one",
            0.5 * (mu**2 + log_var.exp() - log_var).sum(1),
            _("The -1 is missing: at mu = 0 and log_var = 0 the KL must be zero."),
        ),
        (
            "reverse",
            0.5 * back.sum(1),
            _("That is the KL from the prior to q: the other direction."),
        ),
        (
            "plus-log",
            0.5 * (mu**2 + log_var.exp() - 1 + log_var).sum(1),
            _(
                "The sign of log σ² is wrong: a narrow q, with log σ² far below zero, must "
                "cost more."
            ),
        ),
        (
            "one-once",
            0.5 * ((mu**2 + log_var.exp() - log_var).sum(1) - 1),
            _("The -1 belongs inside the sum, once for each of the d dimensions."),
        ),
        (
            "exchanged",
            0.5 * (log_var**2 + mu.exp() - 1 - mu).sum(1),
            _("`mu` comes first and `log_var` second: you have exchanged the two."),
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
