"""Exercise 9.4: repair an enlarged image so that it agrees with the small one."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, call, expect_tensor, recognise
from vqvae_lib.course.exercises.verdicts import Right
from vqvae_lib.course.words import _


def check(repair: Any) -> Right:
    """A function `repair(x, y, A)` of (B, D), (B, k) and (k, D) that returns (B, D)."""
    blocks = torch.kron(torch.eye(3), torch.full((1, 4), 0.25)).double()  # (3, 12)
    general = torch.randn(3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for A in (blocks, general):
        k, D = A.shape
        x = torch.randn(5, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        y = torch.randn(5, k, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        value = expect_tensor(call(repair, x, y, A), (5, D), what="repair(x, y, A)")
        recognise(value, *_solve(value, x, y, A))
    return Right(
        _(
            "The true image fits y as well, and the repair is the orthogonal projection onto all "
            "images that do, so it never moves away from the truth. A free gain for every "
            "enlargement."
        )
    )


def _solve(value: Tensor, x: Tensor, y: Tensor, A: Tensor) -> tuple[Tensor, list[Mistake]]:
    """The nearest images that fit, and what mistakes would give; the last is any other mistake."""
    residual, inverse = y - x @ A.T, torch.linalg.inv(A @ A.T)
    misfit = float((value @ A.T - y).abs().max())
    other = ("not-nearest", _("Your result fits y, but another image that fits is closer to x."))
    if misfit > 1e-3:
        text = _("A times your result is not y: they differ by up to {misfit:.2g}.")
        other = ("not-fitting", text.format(misfit=misfit))
    mistakes = [
        ("unchanged", x, _("This is the image you were given.")),
        (
            "no-inverse",
            x + residual @ A,
            _("(A Aᵀ)⁻¹ is missing: A times your result is not y."),
        ),
        (
            "repeat",
            x + residual @ A / A.square().sum(1).mean(),
            _("That repairs block means only. A general A needs (A Aᵀ)⁻¹."),
        ),
        (
            "ignores-x",
            y @ inverse @ A,
            _("This is the smallest image that fits y, not the nearest to x."),
        ),
        ("sign", x - residual @ inverse @ A, _("The correction has the wrong sign.")),
        (other[0], value, other[1]),
    ]
    return x + residual @ inverse @ A, mistakes
