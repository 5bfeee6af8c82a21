"""What a model is trained on: tensors with one row per sample, checked before anything begins."""

from __future__ import annotations

from torch import Tensor, nn

from vqvae_lib._checks import check_same_length, check_tensor

__all__ = ["Samples", "check_samples"]

Samples = tuple[Tensor, ...]  # (x,), or (x, y) where there are labels


def check_samples(
    model: nn.Module,
    x_train: Tensor,
    y_train: Tensor | None,
    x_valid: Tensor | None,
    y_valid: Tensor | None,
) -> tuple[Samples, Samples]:
    """Return the samples to train and to validate on, the latter () if there are none.

    Raises
    ------
    ValueError
        If they don't fit the model or one another, or a number of x is not finite.
    TypeError
        If they are not tensors, or x is not of floating-point numbers.
    """
    check_tensor("x_train", x_train, ("N", "D", ...), least=1, finite=True)
    for name, parameter in model.named_parameters():
        if parameter.dtype != x_train.dtype or parameter.device != x_train.device:
            raise ValueError(
                f"x_train is {x_train.dtype} on {x_train.device} and the model's {name} "
                f"{parameter.dtype} on {parameter.device}: expected the same"
            )
    train = _pair_up("train", x_train, y_train)
    if x_valid is None:
        if y_valid is not None:
            raise ValueError("y_valid without x_valid: expected the data that it belongs to")
        return train, ()
    shape = ("N", *x_train.shape[1:])
    check_tensor("x_valid", x_valid, shape, least=1, like=x_train, finite=True)
    valid = _pair_up("valid", x_valid, y_valid)
    if len(train) != len(valid):
        raise ValueError("y_train and y_valid: expected both or neither")
    return train, valid


def _pair_up(part: str, x: Tensor, y: Tensor | None) -> Samples:
    if y is None:
        return (x,)
    check_tensor(f"y_{part}", y, dtype=None)
    check_same_length(f"y_{part}", y, f"x_{part}", x)
    if y.device != x.device:
        raise ValueError(f"y_{part} is on {y.device}, x_{part} on {x.device}: expected the same")
    return x, y
