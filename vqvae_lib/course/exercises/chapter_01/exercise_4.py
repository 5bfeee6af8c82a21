"""Exercise 1.4: find two digits with a hole half-way between their codes."""

from typing import Any

import torch

from vqvae_lib.course.exercises.answers import call, expect_number, expect_tensor
from vqvae_lib.course.exercises.chapter_01.reconstructions import (
    mean_image_error,
    reconstruction_error,
)
from vqvae_lib.course.exercises.digits import digits_data, distance_to_nearest
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.data import ImageData


def check(model: Any, i: Any, j: Any) -> Right:
    """A trained autoencoder of the digits, and the numbers `i`, `j` of two training images."""
    digits = digits_data()
    first, second = (_read_index(value, name, digits) for value, name in ((i, "i"), (j, "j")))
    if first == second:
        raise Wrong("same", _("These are the same image: there is nothing in between."))
    with torch.no_grad():
        d = getattr(call(model.encode, digits.x_test), "shape", (0, 0))[-1]
        error = reconstruction_error(model, digits.x_test, d)
        if error > mean_image_error():
            raise Wrong(
                "untrained",
                _("This model reconstructs digits no better than the mean image. Was it trained?"),
            )
        codes = model.encode(digits.x_train[[first, second]])  # (2, d)
        image = expect_tensor(
            model.decode(codes.mean(0, keepdim=True)), (1, digits.D), what="image"
        )
        usual = distance_to_nearest(model.decode(model.encode(digits.x_test)), digits.x_train)
    unit = float(usual.median())
    ratio = float(distance_to_nearest(image, digits.x_train)) / unit
    # Beyond what happens to real digits, and beyond a picture that is nothing but blur.
    blur = float(distance_to_nearest(digits.x_train.mean(0)[None], digits.x_train))
    limit = max(float(usual.quantile(0.99)), blur) / unit
    numbers = {"ratio": ratio, "limit": limit}
    if ratio <= limit:
        raise Wrong(
            "no-hole",
            _(
                "Half-way between the two, the picture is {ratio:.2f} times as far from its "
                "nearest digit as a usual reconstruction. The blurred mean of all digits is as "
                "far off as that, and so is one real digit in a hundred: find a pair above "
                "{limit:.2f}."
            ).format(**numbers),
        )
    return Right(
        _(
            "A hole between two real codes: half-way, the picture is {ratio:.2f} times as far "
            "from its nearest digit as a usual reconstruction. How far can you get?"
        ).format(**numbers)
    )


def _read_index(value: Any, name: str, digits: ImageData) -> int:
    """Return the number of a training image, or say what it is instead."""
    number = expect_number(value, what=name)
    if number != int(number) or not 0 <= number < len(digits.x_train):
        raise Wrong(
            "index",
            _(
                "{name}: expected the number of a training image, from 0 to {last}, got {got}."
            ).format(name=name, last=len(digits.x_train) - 1, got=value),
        )
    return int(number)
