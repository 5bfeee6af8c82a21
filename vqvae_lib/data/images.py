"""Grey images in three parts, as every loader of images returns them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod

import torch
from torch import Tensor

from vqvae_lib._checks import (
    LABELS,
    can_read_values,
    check_count,
    check_generator,
    check_image_shape,
    check_instance,
    check_same_length,
    check_tensor,
)
from vqvae_lib.data._labels import check_labels
from vqvae_lib.scaling import ImageScaling

__all__ = ["ImageData", "binarise", "check_grey"]


@dataclass(frozen=True, repr=False, eq=False)
class ImageData:
    """Grey images with labels, in a training, a validation and a test part.

    Attributes
    ----------
    name
        For titles and file names.
    x_train, x_valid, x_test
        Images as rows, shape (N, D), float32 in [0, 1].
    y_train, y_valid, y_test
        Labels, shape (N,), int64.
    group_train, group_valid, group_test
        Who wrote each image, as a number, shape (N,), int64; `vqvae_lib.splits.NO_GROUP`, which
        is -1, where the data don't record it.
    image_shape
        (H, W) with H * W = D.
    levels
        Grey levels above black: ``x * levels`` is a whole number.

    Raises
    ------
    ValueError, TypeError
        If shapes or dtypes do not fit, or a grey value is not finite or outside [0, 1].
    """

    name: str
    x_train: Tensor
    y_train: Tensor
    group_train: Tensor
    x_valid: Tensor
    y_valid: Tensor
    group_valid: Tensor
    x_test: Tensor
    y_test: Tensor
    group_test: Tensor
    image_shape: tuple[int, int]
    levels: int

    def __post_init__(self) -> None:
        keep = partial(object.__setattr__, self)  # frozen to everybody else
        keep("name", check_instance("name", self.name, str, "text"))
        keep("image_shape", check_image_shape("image_shape", self.image_shape))
        keep("levels", check_count("levels", self.levels))
        for part in ("train", "valid", "test"):
            x_field, y_field, group_field = f"x_{part}", f"y_{part}", f"group_{part}"
            x, shape = getattr(self, x_field), ("N", self.D)
            x = check_tensor(x_field, x, shape, dtype=torch.float32)
            check_grey(x_field, x)
            group = check_tensor(group_field, getattr(self, group_field), ("N",), dtype=LABELS)
            check_same_length(group_field, group, x_field, x)
            keep(x_field, x)
            keep(y_field, check_labels(y_field, getattr(self, y_field), x_field, x))
            keep(group_field, group)

    @property
    def D(self) -> int:
        """Dimension of the data: pixels in an image."""
        return prod(self.image_shape)

    @property
    def scaling(self) -> ImageScaling:
        """What raw levels went through, for a model to keep: see `vqvae_lib.scaling`."""
        return ImageScaling(self.image_shape, self.levels)

    def images(self, x: Tensor) -> Tensor:
        """Fold rows into images: ``(N, D) -> (N, H, W)``."""
        return check_tensor("x", x, ("N", self.D)).reshape(-1, *self.image_shape)

    def __repr__(self) -> str:
        height, width = self.image_shape
        return (
            f"ImageData({self.name!r}, {len(self.x_train)} training, {len(self.x_valid)} "
            f"validation and {len(self.x_test)} test images of {height}x{width}, "
            f"{self.levels} grey levels above black)"
        )


def binarise(x: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw black or white for each pixel, with its grey value as the probability of white.

    Parameters
    ----------
    x
        Grey values in [0, 1], any shape.
    generator
        Draws the pixels.

    Returns
    -------
    torch.Tensor
        Zeros and ones, shape and dtype of x.

    Raises
    ------
    ValueError
        If a value is not finite or outside [0, 1].
    """
    x = check_tensor("x", x)
    check_grey("x", x)
    return torch.bernoulli(x, generator=check_generator("generator", generator))


def check_grey(name: str, x: Tensor) -> None:
    """Refuse values outside [0, 1], nan included, and images that aren't there."""
    if not can_read_values(x):
        return
    if x.numel() == 0 or not bool(((x >= 0) & (x <= 1)).all()):  # a nan fails both comparisons
        values = f"from {x.min().item():.6g} to {x.max().item():.6g}" if x.numel() else "none"
        raise ValueError(
            f"{name} of shape {tuple(x.shape)} has values {values}: expected [0, 1], such as "
            "bytes / 255"
        )
