"""Exercise 1.2: train autoencoders of three widths that all beat PCA."""

from typing import Any

import torch

from vqvae_lib.course.exercises.answers import call
from vqvae_lib.course.exercises.chapter_01.reconstructions import (
    mean_image_error,
    reconstruction_error,
)
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.linear_gaussian import PCA

WIDTHS = (2, 4, 8)


def check(models: Any) -> Right:
    """A dictionary {2: model, 4: model, 8: model} of trained autoencoders of the digits."""
    if not isinstance(models, dict):
        raise Wrong(
            "type",
            _("Expected a dictionary {{2: model, …}}, got {got}.").format(
                got=type(models).__name__
            ),
        )
    missing = [d for d in WIDTHS if d not in models]
    if missing:
        raise Wrong("missing", _("There is no model for d = {d}.").format(d=missing[0]))
    digits = digits_data()
    errors = {d: reconstruction_error(models[d], digits.x_test, d) for d in WIDTHS}
    floors = {d: PCA.fit(digits.x_train, d).mse(digits.x_test) for d in WIDTHS}
    mean_image = mean_image_error()
    for d in WIDTHS:
        numbers = {"d": d, "error": errors[d], "floor": floors[d], "mean": mean_image}
        if errors[d] > 0.98 * mean_image:
            raise Wrong(
                "untrained",
                _(
                    "d = {d}: an error of {error:.4f} per pixel is no better than always "
                    "answering with the mean image ({mean:.4f}). Was the model trained?"
                ).format(**numbers),
            )
        if _is_linear(models[d], d):
            raise Wrong(
                "linear",
                _(
                    "d = {d}: this decoder is linear, and no linear map can beat PCA, which "
                    "has {floor:.4f} per pixel here. Add a nonlinear layer."
                ).format(**numbers),
            )
        if errors[d] > floors[d]:
            raise Wrong(
                "above-pca",
                _(
                    "d = {d}: an error of {error:.4f} per pixel is above PCA's {floor:.4f}. "
                    "Train longer, or with more hidden units."
                ).format(**numbers),
            )
        if errors[d] < 0.3 * floors[d]:
            raise Wrong(
                "too-good",
                _(
                    "d = {d}: an error of {error:.4f} per pixel, against PCA's {floor:.4f}, "
                    "is too good for {d} numbers. Has the model seen the test digits?"
                ).format(**numbers),
            )
    percent = {d: 100 * (1 - errors[d] / floors[d]) for d in WIDTHS}
    savings = ", ".join(
        _("{percent:.0f} % at d = {d}").format(d=d, percent=percent[d]) for d in WIDTHS
    )
    best = max(WIDTHS, key=lambda d: percent[d])
    return Right(
        _(
            "All three beat PCA: by {savings}. In proportion, yours gains most at d = {best}."
        ).format(savings=savings, best=best)
    )


def _is_linear(model: Any, d: int) -> bool:
    """Whether the decoder is affine: g(a) + g(b) = g(a + b) + g(0) for codes a, b."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        codes = model.encode(digits_data().x_train).double()
        a, b = codes.std(0) * torch.randn(2, 50, d, generator=generator)
        images = [call(model.decode, z.float()).double() for z in (a, b, a + b, torch.zeros(50, d))]
    bend = images[0] + images[1] - images[2] - images[3]
    return float(bend.abs().max()) < 1e-3 * float(images[2].abs().max())
