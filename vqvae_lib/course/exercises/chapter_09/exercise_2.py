"""Exercise 9.2: complete an image with the conditional mean of a Gaussian."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, call, expect_tensor, recognise, refuse_nan
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _


def check(complete: Any) -> Right:
    """A function `complete(mean, covariance, x, observed)` for one image, returning (D,)."""
    for D, seed in ((6, 0), (9, 1)):
        root = torch.randn(D, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        covariance = root @ root.T + 0.5 * torch.eye(D, dtype=torch.float64)
        mean = torch.randn(
            D, generator=torch.Generator().manual_seed(seed + 10), dtype=torch.float64
        )
        x = torch.randn(D, generator=torch.Generator().manual_seed(seed + 20), dtype=torch.float64)
        observed = torch.rand(D, generator=torch.Generator().manual_seed(seed + 30)) < 0.5
        observed[0], observed[-1] = True, False
        for hole in (torch.nan, 9.0):  # hidden entries may be nan, or any number
            image = torch.where(observed, x, hole)
            value = expect_tensor(
                refuse_nan(
                    call(complete, mean, covariance, image, observed),
                    "nan",
                    _(
                        "The result contains nan: a hidden entry of `x` has entered it. Even "
                        "multiplied by 0, nan stays nan."
                    ),
                ),
                (D,),
                what="complete(mean, covariance, x, observed)",
            )
            if not torch.allclose(value[observed], x[observed], rtol=1e-3, atol=1e-4):
                raise Wrong("seen-changed", _("Seen pixels have to keep their own values."))
            recognise(value, *_solve(mean, covariance, image, observed))
    nothing = torch.zeros(4, dtype=torch.bool)
    mean, eye = torch.arange(4.0).double(), torch.eye(4).double()
    value = expect_tensor(
        call(complete, mean, eye, torch.full((4,), torch.nan).double(), nothing),
        (4,),
        what=_("complete(…) where nothing is seen"),
    )
    recognise(
        value, mean, [], case=_("an image of which nothing is seen, so that the mean is right")
    )
    return Right(
        _(
            "With a diagonal covariance, C_hs is zero and the hidden half is the mean's, "
            "whatever was seen. All that inpainting knows is in the covariances between the "
            "halves."
        )
    )


def _solve(mean: Tensor, C: Tensor, x: Tensor, observed: Tensor) -> tuple[Tensor, list[Mistake]]:
    """The completed image, and what mistakes would give."""
    s, h = observed, ~observed
    seen = x[s] - mean[s]
    C_ss, C_hs = C[s][:, s], C[h][:, s]
    inverse = torch.linalg.inv(C)

    def fill(hidden: Tensor) -> Tensor:
        out = x.clone()
        out[h] = hidden
        return out

    right = fill(mean[h] + C_hs @ torch.linalg.solve(C_ss, seen))
    mistakes = [
        ("mean", fill(mean[h]), _("This is the mean, but what is seen should move it.")),
        (
            "not-centred",
            fill(mean[h] + C_hs @ torch.linalg.solve(C_ss, x[s])),
            _("Subtract the mean of the seen pixels before you multiply."),
        ),
        (
            "no-mean",
            fill(C_hs @ torch.linalg.solve(C_ss, seen)),
            _("The mean of the hidden pixels is missing."),
        ),
        (
            "no-inverse",
            fill(mean[h] + C_hs @ seen),
            _("The inverse of C_ss is missing."),
        ),
        (
            "precision",
            fill(mean[h] + inverse[h][:, s] @ torch.linalg.solve(inverse[s][:, s], seen)),
            _("These are blocks of the inverse covariance: take blocks of the covariance."),
        ),
        (
            "inverse-block",
            fill(mean[h] + C_hs @ inverse[s][:, s] @ seen),
            _(
                "You take a block of the inverse. First cut out C_ss, then invert it: the two "
                "are not the same."
            ),
        ),
        (
            "diagonal",
            fill(mean[h] + C_hs @ (seen / C_ss.diagonal())),
            _("You divide by the variances only, but seen pixels are correlated with each other."),
        ),
        (
            "sign",
            fill(2 * mean[h] - right[h]),
            _("The mean moves the wrong way: check the sign."),
        ),
        (
            "unfilled",
            x,
            _("Hidden entries keep what `x` held there: `observed` says what is hidden."),
        ),
    ]
    return right, mistakes
