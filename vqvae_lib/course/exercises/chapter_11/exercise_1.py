"""Exercise 11.1: find how much weight generated data deserve."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call, expect_number, recognise
from vqvae_lib.course.exercises.verdicts import Right
from vqvae_lib.course.words import _


def check(best_weight: Any) -> Right:
    """A function `best_weight(n, sigma, b, N, m)` that returns a share between 0 and 1."""
    # In the first case, with a negative bias, no two mistakes give the same number.
    for case in ((12, 1.3, -0.4, 70, 45), (5, 2.0, 0.0, 40, 1000), (50, 0.5, 1.0, 200, 200)):
        n, sigma, b, N, m = case
        what = "best_weight({}, {}, {}, {}, {})".format(*case)
        value = expect_number(call(best_weight, *case), what=what)
        A, v = sigma**2 / n, sigma**2 / N + sigma**2 / m
        B = b**2 + v
        mistakes = [
            (
                "real",
                B / (A + B),
                _("That is the share of the real data: the exercise asks for the other one."),
            ),
            ("appended", m / (n + m), _("That is the share that you get by appending all draws.")),
            *(
                (
                    "bias",
                    A / (A + term + v),
                    _("The bias enters squared, like the variance it is added to."),
                )
                for term in (b, abs(b), b * abs(b))
            ),
            ("no-bias", A / (A + v), _("The generator's bias is missing, as if b were 0.")),
            (
                "no-variance",
                A / (A + b**2),
                _(
                    "You count only the bias, but the average of the generated values varies "
                    "as well."
                ),
            ),
            (
                "most",
                min(1, 2 * A / (A + B)),
                _(
                    "Up to that share the generated values help, but they help most at a "
                    "smaller one."
                ),
            ),
            (
                "no-draws",
                A / (A + b**2 + sigma**2 / N),
                _("The generator draws only m values: their average has noise of its own."),
            ),
            (
                "no-fit",
                A / (A + b**2 + sigma**2 / m),
                _("The generator was fitted on only N data: its mean is uncertain as well."),
            ),
            (
                "sigma",
                (sigma / n) / (sigma / n + b**2 + sigma / N + sigma / m),
                _("sigma is a standard deviation: the variance is its square."),
            ),
            (
                "one-datum",
                sigma**2 / (sigma**2 + B),
                _("The average of n real values has variance sigma²/n, not sigma²."),
            ),
        ]
        tensors = [(kind, _one(other), hint) for kind, other, hint in mistakes]
        recognise(_one(value), _one(A / (A + B)), tensors, case=what)
    return Right(
        _(
            "With b = 0 and ever more draws m, the share is N/(N + n): the generator is worth its "
            "N data. Any bias makes it worth less, and the more labels you have, the more the "
            "bias counts."
        )
    )


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)
