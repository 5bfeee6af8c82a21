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
