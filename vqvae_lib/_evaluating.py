"""The modes of a model's parts, training or evaluation: set for a while, then put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["evaluating", "preserve_modes"]


@contextmanager
def preserve_modes(model: nn.Module) -> Iterator[None]:
    """Put each part back into the mode it had, a part frozen on purpose included."""
    modes = {part: part.training for part in model.modules()}
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def evaluating(model: object) -> Iterator[None]:
    """Ask a model questions: no gradients inside and, for an ``nn.Module``, evaluation mode."""
    with torch.no_grad():
        if not isinstance(model, nn.Module):
            yield
            return
        with preserve_modes(model):
            model.eval()
            yield
