"""The one vocabulary of checks: what an argument must be, and the sentence that says so.

Each check takes the argument's name and value, raises an error of the form "name=value: expected …"
and returns the value in the type that the caller works with, so that a method can begin

    K = check_count("K", K)
    check_tensor("x", x, ("B", self.D), finite=True)

and go on with its work.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import EllipsisType
from typing import Any, TypeVar

import torch
from torch import Tensor

__all__ = [
    "check_choice",
    "check_count",
    "check_flag",
    "check_generator",
    "check_number",
    "check_same_length",
    "check_same_shape",
    "check_tensor",
    "describe",
    "raise_if_any",
]

T = TypeVar("T")
Shape = tuple[int | str | EllipsisType, ...]

FLOATING = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
LABELS = (torch.int64,)


def check_count(name: str, value: Any, *, least: int = 1, most: int | None = None) -> int:
    """Return a whole number, NumPy's included, within its bounds; ValueError otherwise."""
    whole = hasattr(value, "__index__") and not isinstance(value, bool | Tensor)
    if not whole or int(value) < least or (most is not None and int(value) > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}={value!r}: expected a whole number {limits}")
    return int(value)


def check_number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite number, NumPy's included, within its bounds; ValueError otherwise."""
    number = hasattr(value, "__float__") and not isinstance(value, bool | str | Tensor)
    fits = number and math.isfinite(value)
    fits = fits and (least is None or value >= least) and (above is None or value > above)
    fits = fits and (most is None or value <= most) and (below is None or value < below)
    if not fits:
        bounds = (("at least", least), ("above", above), ("at most", most), ("below", below))
        limits = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
        raise ValueError(f"{name}={value!r}: expected a finite number {limits}".rstrip())
    return float(value)


def check_choice(name: str, value: T, choices: Iterable[T]) -> T:
    """Return one of the choices; ValueError, with the list of them, otherwise."""
    choices = tuple(choices)
    # By type as well: 1 == True, and a tensor has no truth value.
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name}={value!r}: expected one of {listed}")
    return value


def check_flag(name: str, value: Any) -> bool:
    """Return True or False; ValueError for anything else."""
    return check_choice(name, value, (False, True))


def check_generator(name: str, value: Any) -> torch.Generator:
    """Return a torch.Generator; TypeError for anything else."""
    if not isinstance(value, torch.Generator):
        raise TypeError(
            f"{name} is a {type(value).__name__}: expected a torch.Generator, such as "
            "torch.Generator().manual_seed(0)"
        )
    return value


def check_tensor(
    name: str,
    value: Any,
    shape: Shape | None = None,
    *,
    dtype: torch.dtype | tuple[torch.dtype, ...] | None = FLOATING,
    least: int = 0,
    finite: bool = False,
    like: Tensor | None = None,
) -> Tensor:
    """Return a tensor of the given shape and dtype; ValueError or TypeError otherwise.

    Parameters
    ----------
    name, value
        The argument.
    shape
        Sizes by number, or by letter where any will do: ``("B", 64)``. An ellipsis at the
        beginning or the end stands for any further axes, none included.
    dtype
        The dtypes that are accepted; None for any.
    least
        Smallest size of the first axis.
    finite
        Whether nan and inf are refused.
    like
        A tensor whose dtype and device this one must have.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} is a {type(value).__name__}: expected a torch.Tensor")
    if like is not None and (value.dtype != like.dtype or value.device != like.device):
        raise ValueError(
            f"{name} is {value.dtype} on {value.device}: expected {like.dtype} on {like.device}"
        )
    dtypes = (dtype,) if isinstance(dtype, torch.dtype) else dtype
    if dtypes is not None and value.dtype not in dtypes:
        listed = "floating-point numbers" if dtypes is FLOATING else " or ".join(map(str, dtypes))
        raise TypeError(f"{name} has dtype {value.dtype}: expected {listed}")
    if shape is not None and not _fits(tuple(value.shape), shape):
        raise ValueError(f"{name} has shape {tuple(value.shape)}: expected {_written(shape)}")
    if least and (value.ndim == 0 or len(value) < least):
        raise ValueError(f"{name} has shape {tuple(value.shape)}: expected at least {least} rows")
    if finite:
        raise_if_any(name, value, ~torch.isfinite(value), "finite numbers")
    return value


def check_same_shape(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse two tensors that would have to be broadcast."""
    if value.shape != other.shape:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)} and {other_name} {tuple(other.shape)}: "
            "expected the same shape"
        )


def check_same_length(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse two tensors with different numbers of rows."""
    if value.shape[:1] != other.shape[:1]:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)} and {other_name} {tuple(other.shape)}: "
            "expected the same number of rows"
        )


def raise_if_any(name: str, x: Tensor, wrong: Tensor, expected: str) -> None:
    """Raise ValueError for the first value marked as wrong, if there is one."""
    if not wrong.any():
        return
    place = tuple(wrong.nonzero()[0].tolist())
    count = int(wrong.sum())
    more = "" if count == 1 else f" (and {count - 1} more)"
    raise ValueError(f"{name}{list(place)} is {x[place].item():.6g}{more}: expected {expected}")


def describe(value: object) -> str:
    """Name what came, for an error: the shape and dtype of a tensor, else the type."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and dtype {value.dtype}"
    return f"a {type(value).__name__}"


def _fits(found: tuple[int, ...], shape: Shape) -> bool:
    if shape and shape[0] is ...:
        tail = shape[1:]
        found, shape = found[len(found) - len(tail) :] if tail else (), tail
    elif shape and shape[-1] is ...:
        found, shape = found[: len(shape) - 1], shape[:-1]
    return len(found) == len(shape) and all(
        isinstance(size, str) or size == n for n, size in zip(found, shape, strict=True)
    )


def _written(shape: Shape) -> str:
    sizes = ["..." if size is ... else str(size) for size in shape]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
