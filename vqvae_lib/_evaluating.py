"""The modes of a model's parts, training or evaluation: set for a while, then put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["begin_training", "evaluating", "find_held", "preserve_modes"]


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


def find_held(model: nn.Module) -> list[nn.Module]:
    """Find the parts that somebody holds in evaluation mode on purpose: while the whole trains."""
    return [part for part in model.modules() if model.training and not part.training]


def begin_training(model: nn.Module, held: Iterable[nn.Module]) -> None:
    """Put a model that is in evaluation mode into training mode, but for the parts that are held.

    In a model that is in training mode, somebody has chosen the mode of each part, and it stays.
    """
    if not model.training:
        model.train()
        for part in held:
            part.training = False
