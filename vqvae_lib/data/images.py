"""Grey images in three parts, as every loader of images returns them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from vqvae_lib._checks import check_generator, check_same_length, check_tensor

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
        for part in ("train", "valid", "test"):
            x = getattr(self, f"x_{part}")
            check_tensor(f"x_{part}", x, ("N", self.D), dtype=torch.float32)
            check_grey(f"x_{part}", x)
            for column in ("y", "group"):
                values = getattr(self, f"{column}_{part}")
                check_tensor(f"{column}_{part}", values, ("N",), dtype=torch.int64)
                check_same_length(f"{column}_{part}", values, f"x_{part}", x)

    @property
    def D(self) -> int:
        """Dimension of the data: pixels in an image."""
        return prod(self.image_shape)

    def images(self, x: Tensor) -> Tensor:
        """Fold rows into images: ``(N, D) -> (N, H, W)``."""
        check_tensor("x", x, ("N", self.D))
        return x.reshape(-1, *self.image_shape)

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
    check_grey("x", x)
    return torch.bernoulli(x, generator=check_generator("generator", generator))


def check_grey(name: str, x: Tensor) -> None:
    """Refuse values outside [0, 1], nan included, and images that aren't there."""
    if x.numel() == 0 or not bool(((x >= 0) & (x <= 1)).all()):  # a nan fails both comparisons
        values = f"from {x.min().item():.6g} to {x.max().item():.6g}" if x.numel() else "none"
        raise ValueError(f"{name} of shape {tuple(x.shape)} has values {values}: expected [0, 1]")
