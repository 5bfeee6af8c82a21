"""Exercise 11.1: find how much weight generated data deserve."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import (
    call,
    expect_number,
    recognise,
)
from vqvae_lib.course.exercises.verdicts import Right
from vqvae_lib.course.words import _


def check(best_weight: Any) -> Right:
    """A function `best_weight(n, sigma, b, N, m)` that returns a share between 0 and 1."""
    # No two mistakes give one number in the first case; its bias is negative.
    for case in ((12, 1.3, -0.4, 70, 45), (5, 2.0, 0.0, 40, 1000), (50, 0.5, 1.0, 200, 200)):
        n, sigma, b, N, m = case
        what = "best_weight({}, {}, {}, {}, {})".format(*case)
        value = expect_number(call(best_weight, *case), what=what)
        A, v = sigma**2 / n, sigma**2 / N + sigma**2 / m
        B = b**2 + v
        mistakes = [
            ("real", B / (A + B), _("That is the share of the real data; asked is the other.")),
            ("appended", m / (n + m), _("That is the share that comes of appending all draws.")),
            *(
                (
                    "bias",
                    A / (A + wrong + v),
                    _("The bias enters as a square, like the variance that it is added to."),
                )
                for wrong in (b, abs(b), b * abs(b))
            ),
            ("no-bias", A / (A + v), _("The generator's bias is missing: as if b were 0.")),
            (
                "no-variance",
                A / (A + b**2),
                _("Only the bias is there: the average of the generated values varies as well."),
            ),
            (
                "most",
                min(1, 2 * A / (A + B)),
                _("Up to that share the generated values help; they help most at a smaller one."),
            ),
            (
                "no-draws",
                A / (A + b**2 + sigma**2 / N),
                _("The generator draws only m values: their average has noise of its own."),
            ),
            (
                "no-fit",
                A / (A + b**2 + sigma**2 / m),
                _("The generator was fitted on only N data: its mean is uncertain, too."),
            ),
            (
                "sigma",
                (sigma / n) / (sigma / n + b**2 + sigma / N + sigma / m),
                _("sigma is a standard deviation; variances are its square."),
            ),
            (
                "one-datum",
                sigma**2 / (sigma**2 + B),
                _("The average of n real values has the variance sigma²/n, not sigma²."),
            ),
        ]
        tensors = [(kind, _one(other), hint) for kind, other, hint in mistakes]
        recognise(_one(value), _one(A / (A + B)), tensors, case=what)
    return Right(
        _(
            "With b = 0 and m without end the share is N/(N + n): the generator counts as its N "
            "data. Any bias makes it worth fewer, and more labels make the bias count more."
        )
    )


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)
