"""What a model is trained on: tensors with one row per sample, checked before anything begins."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from vqvae_lib._checks import check_same_length, check_tensor

__all__ = [
    "Samples",
    "check_samples",
    "check_weights",
    "describe_scale",
    "is_out_of_scale",
    "warn_of_scale",
]

Samples = tuple[Tensor, ...]  # (x,), or (x, y) where there are labels

_LARGE = 10.0
"""A root mean square that no standardised data have: first weights are made for about 1."""


def check_weights(model: nn.Module) -> Tensor:
    """Return a weight whose dtype and device are those of all, and what the data must have.

    Raises
    ------
    ValueError
        If nothing is trained, or the weights are not all of one device and one dtype.
    TypeError
        If training is not possible in their dtype.
    """
    # Quantised weights are whole numbers; they are not trained.
    weights = {n: p for n, p in model.named_parameters() if p.is_floating_point() or p.is_complex()}
    if not any(p.requires_grad for p in weights.values()):
        raise ValueError("model has no parameter to train: expected one with requires_grad=True")
    (first_name, first), *_ = weights.items()
    for name, p in weights.items():
        if p.is_meta:
            raise ValueError(f"model's {name} is on the meta device, which holds no numbers")
        if p.dtype not in (torch.float32, torch.float64):
            raise TypeError(
                f"model has weights of {p.dtype}, in which training rounds its own small steps "
                "away: expected float32, as model.float() gives it (in torch.autocast, such a "
                "model computes in lower precision)"
            )
        if p.dtype != first.dtype or p.device != first.device:
            raise ValueError(
                f"model's {first_name} is {first.dtype} on {first.device} and its {name} "
                f"{p.dtype} on {p.device}: expected the same"
            )
    return first


def check_samples(
    weight: Tensor,
    x_train: Any,
    y_train: Any,
    x_valid: Any,
    y_valid: Any,
) -> tuple[Samples, Samples]:
    """Return the samples to train and to validate on, the latter () if there are none.

    x comes in the dtype of the model's `weight`; y has the one that it had.

    Raises
    ------
    ValueError
        If they don't fit the model or one another, or a number of x is not finite.
    TypeError
        If they are not tensors or arrays, or x is not of real numbers.
    """
    x_train = check_tensor("x_train", x_train, ("N", "D", ...), least=1, finite=True, like=weight)
    train = _pair_up("train", x_train, y_train)
    if x_valid is None:
        if y_valid is not None:
            raise ValueError("y_valid without x_valid: expected the data that it belongs to")
        return train, ()
    x_valid = check_tensor("x_valid", x_valid, least=1, finite=True, like=weight)
    if x_valid.shape[1:] != x_train.shape[1:]:
        raise ValueError(
            f"x_valid has shape {tuple(x_valid.shape)} and x_train {tuple(x_train.shape)}: "
            "expected the same but for the number of rows"
        )
    valid = _pair_up("valid", x_valid, y_valid)
    if len(train) != len(valid):
        raise ValueError("y_train and y_valid: expected both or neither")
    return train, valid


def warn_of_scale(name: str, x: Tensor) -> None:
    """Say so, to the caller's caller, if data are far from the numbers that networks are for."""
    if is_out_of_scale(x):
        warnings.warn(describe_scale(name, x), stacklevel=3)


def is_out_of_scale(x: Tensor) -> bool:
    """Whether the data are far from the numbers that networks are made for."""
    return bool(x.double().square().mean().sqrt() > _LARGE)  # float32 has no such squares


def describe_scale(name: str, x: Tensor) -> str:
    """Say what the data look like and, if they are out of scale, what to do."""
    low, high, std = x.min().item(), x.max().item(), x.double().std(correction=0).item()
    said = f"{name} runs from {low:.4g} to {high:.4g}, with a standard deviation of {std:.4g}"
    if not is_out_of_scale(x):
        return said
    return (
        f"{said}, and networks begin with weights for numbers around 1: standardise columns, "
        "(x - x.mean(0)) / x.std(0), and divide pixels by their maximum"
    )


def _pair_up(part: str, x: Tensor, y: Any) -> Samples:
    if y is None:
        return (x,)
    y = check_tensor(f"y_{part}", y, dtype=None)
    check_same_length(f"y_{part}", y, f"x_{part}", x)
    if y.device != x.device:
        raise ValueError(f"y_{part} is on {y.device}, x_{part} on {x.device}: expected the same")
    return x, y
