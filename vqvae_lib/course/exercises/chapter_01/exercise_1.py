"""Exercise 1.1: reconstruct with the first d principal components."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, call, expect_tensor, recognise
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _


def check(pca_reconstruct: Any) -> Right:
    """A function `pca_reconstruct(x_train, x, d)` that returns reconstructions shaped like `x`."""
    for seed, (n_train, n, dim, d) in enumerate([(40, 7, 5, 2), (60, 9, 6, 1), (30, 5, 4, 3)]):
        # Data far from the origin, so that centring matters, with a different cloud to project.
        generator = torch.Generator().manual_seed(seed)
        mix = torch.randn(dim, dim, generator=generator)
        shift = 3 + torch.randn(dim, generator=generator)
        x_train = torch.randn(n_train, dim, generator=generator) @ mix + shift
        x = torch.randn(n, dim, generator=generator) @ mix + shift + 0.5

        value = call(pca_reconstruct, x_train, x, d)
        if getattr(value, "shape", None) == (n, d):
            raise Wrong("code", _("That is the code, {d} numbers per row: decode it.").format(d=d))
        value = expect_tensor(value, (n, dim), what="pca_reconstruct(x_train, x, d)")
        recognise(value, _solve(x_train, x, d), _list_mistakes(x_train, x, d))
    return Right(
        _("The mean belongs to the model: it is subtracted before and added after the projection.")
    )


def _solve(x_train: Tensor, x: Tensor, d: int, *, last: bool = False) -> Tensor:
    """Project x on the first (or last) d principal components of x_train; float64 inside."""
    x_train, x = x_train.double(), x.double()
    mean = x_train.mean(0)
    directions = torch.linalg.svd(x_train - mean, full_matrices=False).Vh  # (D, D)
    basis = directions[-d:] if last else directions[:d]  # (d, D)
    return mean + (x - mean) @ basis.T @ basis


def _list_mistakes(x_train: Tensor, x: Tensor, d: int) -> list[Mistake]:
    mean = x_train.double().mean(0)
    uncentred = torch.linalg.svd(x_train.double(), full_matrices=False).Vh[:d]
    centred = torch.linalg.svd(x_train.double() - mean, full_matrices=False).Vh
    rows, columns = centred[:d], centred[:, :d].T
    own_mean = x.double().mean(0)
    return [
        ("echo", x, _("This returns its input: nothing passes through {d} numbers.").format(d=d)),
        (
            "uncentred",
            x.double() @ uncentred.T @ uncentred,
            _("The mean is not subtracted, so the first direction points at the mean."),
        ),
        (
            "mean-not-added",
            _solve(x_train, x, d) - mean,
            _("The mean is subtracted and never added back."),
        ),
        (
            "fitted-on-x",
            _solve(x, x, d),
            _("The directions come from `x`: learn them from `x_train`."),
        ),
        (
            "smallest",
            _solve(x_train, x, d, last=True),
            _("These are the directions of smallest variance: check the order."),
        ),
        ("mean-only", mean.expand_as(x), _("This returns the mean for every row.")),
        (
            "x-not-centred",
            mean + x.double() @ rows.T @ rows,
            _("Subtract the mean of `x_train` from `x` too, before the projection."),
        ),
        (
            "own-mean",
            own_mean + (x.double() - own_mean) @ rows.T @ rows,
            _("You subtract the mean of `x`; the model's mean comes from `x_train`."),
        ),
        (
            "columns",
            mean + (x.double() - mean) @ columns.T @ columns,
            _("The directions are the rows of `Vh`; these are its columns."),
        ),
    ]
