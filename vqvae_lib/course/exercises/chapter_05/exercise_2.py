"""Exercise 5.2: find the Fourier coefficients of a circuit's feature."""

import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, as_tensor, call, expect_tensor, recognise
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _

TURN = 2 * math.pi


class _Series:
    """A real Fourier series, which records the points at which it is evaluated."""

    def __init__(self, L: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        parts = torch.randn(2, L + 1, generator=generator, dtype=torch.float64)
        parts[1, 0] = 0  # the mean is real
        self.c = torch.complex(parts[0], parts[1])
        self.points = torch.empty(0, dtype=torch.float64)

    def __call__(self, z: Any) -> Tensor:
        z = torch.as_tensor(z).double()
        self.points = torch.cat([self.points, z.detach().flatten()])
        j = torch.arange(1, len(self.c), dtype=torch.float64)
        waves = torch.exp(1j * j * z[..., None])  # (..., L)
        return self.c[0].real + 2 * (waves * self.c[1:]).real.sum(-1)


def check(coefficients: Any) -> Right:
    """A function `coefficients(f, L)` that returns c_0, …, c_L, complex, `(L + 1,)`."""
    n_points = 0
    for L in (1, 3, 6):
        f = _Series(L, seed=L)
        value = as_tensor(call(coefficients, f, L))
        if isinstance(value, Tensor) and not value.is_complex():
            raise Wrong("real", _("Your coefficients are real, but they should be complex."))
        n_points = len(f.points)
        if n_points == 0:
            raise Wrong("unused", _("`f` was never called."))
        if isinstance(value, Tensor) and value.shape == (2 * L + 1,):
            raise Wrong(
                "both-sides",
                _(
                    "You return 2L + 1 numbers. c_0 to c_L are enough: the others are their "
                    "conjugates."
                ),
            )
        value = expect_tensor(value, (L + 1,), what=f"coefficients(f, {L})", dtype=torch.complex128)
        _judge_coefficients(value, f, L)
    return Right(
        _(
            "{n} evaluations for L = 6. At least 2L + 1 = 13 are needed, since so many "
            "real numbers are unknown: c_0, and two parts for each of the others."
        ).format(n=n_points)
    )


def _judge_coefficients(value: Tensor, f: _Series, L: int) -> None:
    points = len(f.points)
    if points < 2 * L + 1 and not torch.allclose(value, f.c, atol=1e-6):
        raise Wrong(
            "too-few",
            _(
                "With {points} evaluations for L = {L}, high frequencies pass for low ones "
                "(aliasing): at least {least} are needed."
            ).format(points=points, L=L, least=2 * L + 1),
        )
    # How many times too large: the number of points in the sum, however many were evaluated.
    factor = round(float((torch.vdot(f.c, value) / torch.vdot(f.c, f.c)).real))
    mistakes = [
        (
            "unnormalised",
            max(factor, 2 * L + 1) * f.c,
            _("Too large by the number of points: `fft` sums, but a coefficient is a mean."),
        ),
        (
            "conjugate",
            f.c.conj(),
            _("These are c_{-j}: the sign in the exponent is wrong."),
        ),
        (
            "doubled",
            torch.cat([f.c[:1], 2 * f.c[1:]]),
            _("Twice too large from c_1 on: the other half belongs to c_{-j}."),
        ),
        ("reversed", f.c.flip(0), _("The order is reversed: c_0 comes first.")),
        (
            "phase",
            f.c * (-1) ** torch.arange(L + 1),
            _(
                "Every other coefficient has the wrong sign: `fft` takes the first point to "
                "be z = 0. Where does your grid begin?"
            ),
        ),
        (
            "ortho",
            f.c * math.sqrt(points),
            _("Too large by the square root of the number of points: a coefficient is a mean."),
        ),
    ]
    recognise(value, f.c, [*mistakes, *_list_grid_mistakes(value, f.points)])


def _list_grid_mistakes(value: Tensor, points: Tensor) -> list[Mistake]:
    """What is wrong with the grid, whatever it gave: to be named if nothing else explains it."""
    length = float(points.max() - points.min())
    if length <= 1:
        message = _("Your points span {length:.2f}, but a period is 2π.").format(length=length)
        return [("period", value, message)]
    if abs(length - TURN) < 1e-6:
        return [("end-point", value, _("0 and 2π are the same point, and your grid has both."))]
    return []
