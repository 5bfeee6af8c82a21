"""Exercise 9.1: score the hidden pixels, and only those."""

from typing import Any

import torch

from vqvae_lib.course.exercises.answers import call, expect_number, recognise
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _


def check(score: Any) -> Right:
    """A function `score(x, filled, observed)` of (B, D) each that returns a number."""
    x = torch.rand(4, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    observed = torch.arange(10) < torch.tensor([[9], [5], [2], [7]])
    noise = torch.randn(4, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    filled = torch.where(observed, x, x + noise)
    value = expect_number(call(score, x, filled, observed), what="score(x, filled, observed)")
    squares = (filled - x).square()
    hidden = ~observed
    each = squares.sum(1) / hidden.sum(1)
    mean = squares[hidden].mean()
    mistakes = [
        (
            "all-pixels",
            squares.mean().sqrt(),
            _(
                "You average over all pixels. Seen ones have no error, so they make every "
                "method look good."
            ),
        ),
        (
            "per-image",
            each.mean().sqrt(),
            _(
                "You average image by image first, so a pixel in a small hole counts more "
                "than others."
            ),
        ),
        (
            "per-image",
            each.sqrt().mean(),
            _(
                "You average image by image first, so a pixel in a small hole counts more "
                "than others."
            ),
        ),
        ("no-root", mean, _("This is the mean squared error: the root is missing.")),
        (
            "sum",
            squares.sum().sqrt(),
            _("This is the root of the sum: divide by the number of hidden pixels first."),
        ),
        (
            "absolute",
            (filled - x).abs()[hidden].mean(),
            _("This is the mean absolute error: square before you average."),
        ),
        (
            "seen",
            squares[observed].mean().sqrt(),
            _("These are the seen pixels: `observed` is True where a pixel is seen."),
        ),
    ]
    truth = mean.sqrt()
    as_tensors = [(kind, one[None], message) for kind, one, message in mistakes]
    recognise(torch.tensor([value], dtype=torch.float64), truth[None], as_tensors)
    # Seen pixels may differ, as where a model draws the whole image: they do not count.
    other = expect_number(
        call(score, x, torch.where(observed, x + 5, filled), observed),
        what=_("score, with other values in seen pixels"),
    )
    if abs(other - float(truth)) > 1e-3 * float(truth):
        raise Wrong(
            "seen-counted",
            _("The score changes with the values that `filled` has in seen pixels."),
        )
    return Right(
        _(
            "With half of the image hidden, an average over all pixels would have been "
            "smaller by a factor 1/√2, whatever the method."
        )
    )
