"""The digits, and a distance to them, as several chapters' checks use them."""

import functools

import torch
from torch import Tensor

from vqvae_lib.data import ImageData, load_digits


@functools.cache
def digits_data() -> ImageData:
    """Load the digits once."""
    return load_digits()


def to_nearest(images: Tensor, real: Tensor) -> Tensor:
    """Distance (B,) of each image (B, D) to the nearest real one (N, D), root mean square."""
    return torch.cdist(images.double(), real.double()).min(1).values / real.shape[1] ** 0.5


def to_nearest_mixture(images: Tensor, real: Tensor) -> Tensor:
    """Distance (B,) of each image (B, D) to the nearest mixture of two real ones, as above.

    A mixture is w a + (1 - w) b with w from 0 to 1; a is one of the 200 nearest real images, b any.
    """
    images, real = images.double(), real.double()
    apart = torch.cdist(real, real).square()  # (N, N)
    nearest = []
    for squares in torch.cdist(images, real).square():  # (N,), of one image
        first = squares.topk(min(200, len(real)), largest=False).indices
        to_first, between = squares[first, None], apart[first]
        # By the law of cosines: the foot of the image on the line from a to b, and its distance.
        along = (to_first + between - squares) / 2  # (200, N)
        w = (along / between.clamp(min=1e-12)).clamp(0, 1)
        nearest.append((to_first - 2 * w * along + w**2 * between).min())
    return torch.stack(nearest).clamp(min=0).sqrt() / real.shape[1] ** 0.5
