"""What many valid calls are made of."""

from __future__ import annotations

import torch
from torch import Tensor


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Draw standard normal numbers."""
    return torch.randn(*shape, generator=generator(seed))


def grey(*shape: int, seed: int = 0) -> Tensor:
    """Draw grey values between 0 and 1."""
    return torch.rand(*shape, generator=generator(seed))


def labels(N: int, classes: int = 3) -> Tensor:
    """Return labels 0, 1, …, in turn."""
    return torch.arange(N) % classes
