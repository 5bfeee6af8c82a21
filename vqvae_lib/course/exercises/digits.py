"""The digits, and distances to them, as the checks of several chapters use them."""

import functools

import torch
from torch import Tensor

from vqvae_lib.data import ImageData, load_digits

__all__ = [
    "USUAL_DISTANCE",
    "digits_data",
    "distance_to_mixtures",
    "distance_to_nearest",
    "every_digit",
]
USUAL_DISTANCE = 0.13
"""From a reconstruction of chapter 3's VAE to the nearest training digit: root mean square."""


@functools.cache
def digits_data() -> ImageData:
    """Load the digits once."""
    return load_digits()


def every_digit() -> tuple[Tensor, Tensor]:
    """Images (1797, 64) of all parts, and their labels (1797,)."""
    data = digits_data()
    images = torch.cat([data.x_train, data.x_valid, data.x_test])
    return images, torch.cat([data.y_train, data.y_valid, data.y_test])


def distance_to_nearest(images: Tensor, real: Tensor) -> Tensor:
    """Root mean square distance (B,) of each image (B, D) to the nearest real one (N, D)."""
    return torch.cdist(images.double(), real.double()).min(1).values / real.shape[1] ** 0.5


def distance_to_mixtures(images: Tensor, real: Tensor) -> Tensor:
    """Root mean square distance (B,) of each image (B, D) to the nearest mixture of two real ones.

    A mixture is w a + (1 - w) b with w from 0 to 1, where a is one of the 200 real images (N, D)
    nearest to the image, and b is any of them.
    """
    images, real = images.double(), real.double()
    squares_between = torch.cdist(real, real).square()  # (N, N)
    nearest = []
    for squares in torch.cdist(images, real).square():  # (N,), of one image
        first = squares.topk(min(200, len(real)), largest=False).indices
        to_a, a_to_b = squares[first, None], squares_between[first]  # (200, 1), (200, N)
        # The law of cosines gives the foot of the image on the line from a to b, and its distance.
        foot = (to_a + a_to_b - squares) / 2  # (200, N)
        w = (foot / a_to_b.clamp(min=1e-12)).clamp(0, 1)
        nearest.append((to_a - 2 * w * foot + w**2 * a_to_b).min())
    return torch.stack(nearest).clamp(min=0).sqrt() / real.shape[1] ** 0.5
