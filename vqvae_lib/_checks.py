"""The one vocabulary of checks: what an argument must be, and the sentence that says so.

Each check takes the argument's name and value, raises an error of the form "name=value: expected …"
and returns the value in the type that the caller works with, so that a method can begin

    K = check_count("K", K)
    x = check_tensor("x", x, ("B", self.D), finite=True)

and go on with its work:

>>> check_count("K", np.int64(5))
5
>>> check_count("K", 2.5)
Traceback (most recent call last):
ValueError: K=2.5: expected a whole number of at least 1

What everybody would read in the same way is converted: NumPy's numbers and
arrays, whole numbers where real ones are meant, another width of floating-point numbers than the
model's. All else is refused.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import EllipsisType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "can_read_values",
    "check_choice",
    "check_count",
    "check_flag",
    "check_generator",
    "check_image_shape",
    "check_instance",
    "check_number",
    "check_path",
    "check_same_length",
    "check_same_shape",
    "check_seed",
    "check_sequence",
    "check_tensor",
    "check_unit",
    "describe",
    "raise_if_any",
]

T = TypeVar("T")
Shape = tuple[int | str | EllipsisType, ...]

FLOATING = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
WHOLE = (
    *(torch.int64, torch.int32, torch.int16, torch.int8),
    *(torch.uint64, torch.uint32, torch.uint16, torch.uint8),
)
LABELS = (torch.int64,)

_DIMENSIONS = frozenset("Dd")

_SQUARABLE = (1e-150, 1e150)

MOST = 2**31 - 1
"""The largest count that is believed. Far more than any machine could hold, it is an accident."""


def check_count(name: str, value: Any, *, least: int = 1, most: int | None = None) -> int:
    """Return a whole number, NumPy's and torch's included, within its bounds; else ValueError.

    Without `most`, it is `MOST`.
    """
    number = _to_number(value)
    whole = isinstance(number, int) and not isinstance(number, bool)
    limit = MOST if most is None else most
    if not whole or not least <= int(number) <= limit:
        small = most is None and not (whole and int(number) > limit)
        limits = f"of at least {least}" if small else f"from {least} to {limit}"
        raise ValueError(f"{name}={_shorten(value)}: expected a whole number {limits}")
    return int(number)


def check_seed(name: str, value: Any) -> int:
    """Return a whole number that a torch.Generator takes as its seed; ValueError otherwise."""
    return check_count(name, value, least=0, most=2**63 - 1)


def check_number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite number, NumPy's and torch's included, within its bounds; else ValueError."""
    number = _to_number(value)
    fits = isinstance(number, int | float) and not isinstance(number, bool)
    fits = fits and _is_finite(number)
    fits = fits and (least is None or number >= least) and (above is None or number > above)
    fits = fits and (most is None or number <= most) and (below is None or number < below)
    if not fits:
        bounds = (("at least", least), ("above", above), ("at most", most), ("below", below))
        limits = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
        raise ValueError(f"{name}={_shorten(value)}: expected a finite number {limits}".rstrip())
    return float(number)


def check_choice(name: str, value: T, choices: Iterable[T]) -> T:
    """Return one of the choices; ValueError, with the list of them, otherwise."""
    choices = tuple(choices)
    value = value.item() if isinstance(value, np.generic) else value
    # By type as well: 1 == True, and a tensor has no truth value.
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name}={_shorten(value)}: expected one of {listed}")
    return value


def check_flag(name: str, value: Any) -> bool:
    """Return True or False, NumPy's included; ValueError for anything else."""
    return check_choice(name, value, (False, True))


def check_instance(name: str, value: Any, kinds: type[T] | tuple[type, ...], expected: str) -> T:
    """Return an object of a class, or of one of several; TypeError, in words, otherwise."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} is {describe(value)}: expected {expected}")
    return value  # type: ignore[return-value]


def check_generator(name: str, value: Any) -> torch.Generator:
    """Return a torch.Generator; TypeError for anything else."""
    expected = "a torch.Generator, such as torch.Generator().manual_seed(0)"
    return check_instance(name, value, torch.Generator, expected)


def check_path(name: str, value: Any) -> Path:
    """Return a path, with ``~`` as the home folder; TypeError or ValueError otherwise."""
    value = check_instance(name, value, (str, os.PathLike), "a path, as text or a pathlib.Path")
    written = os.fsdecode(value)
    if not written or "\0" in written:
        raise ValueError(f"{name}={_shorten(value)}: expected the path of a file or folder")
    return Path(written).expanduser()


def check_sequence(name: str, value: Any, expected: str, *, least: int = 0) -> tuple[Any, ...]:
    """Return the items of a list, a tuple or another iterable, but not of a text or a mapping.

    TypeError otherwise, with `expected` in words; ValueError if there are fewer than `least`.
    """
    sequence = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    if not sequence or (isinstance(value, Tensor | np.ndarray) and not value.ndim):
        raise TypeError(f"{name} is {describe(value)}: expected {expected}")
    items = tuple(value)
    if len(items) < least:
        raise ValueError(f"{name} has {len(items)} items: expected {expected}, at least {least}")
    return items


def check_image_shape(name: str, value: Any) -> tuple[int, int]:
    """Return height and width of grey images, in pixels; TypeError or ValueError otherwise."""
    sizes = check_sequence(name, value, "(height, width)")
    if len(sizes) != 2:
        raise ValueError(
            f"{name}={value!r}: expected (height, width) of grey images; of coloured ones, take "
            "one colour or the mean of them"
        )
    height, width = (check_count(f"{name}[{i}]", size) for i, size in enumerate(sizes))
    if height * width > MOST:
        raise ValueError(f"{name}={value!r}: expected at most {MOST} pixels")
    return height, width


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

    NumPy arrays become tensors. Where the dtype differs, numbers are converted if that says the
    same thing: whole numbers to floating-point ones (of torch's default dtype), and any kind to
    the dtype of `like`. Nothing else is: neither fractions to whole numbers, nor bool, nor complex.

    Parameters
    ----------
    name, value
        The argument.
    shape
        Sizes by number, or by letter where any will do: ``("B", 64)``. D and d, the dimensions of
        data and codes, are at least 1. An ellipsis at the beginning or the end stands for any
        further axes, none included.
    dtype
        The dtypes that are accepted; None for any.
    least
        Smallest size of the first axis.
    finite
        Whether nan and inf are refused.
    like
        A tensor to whose dtype this one is converted, and whose device it must be on.

    Examples
    --------
    >>> rows = np.zeros((5, 64))  # float64
    >>> check_tensor("x", rows, ("B", 64), like=torch.zeros(1)).dtype
    torch.float32
    >>> check_tensor("y", torch.tensor([0, 1, 2], dtype=torch.int32), ("B",), dtype=LABELS)
    tensor([0, 1, 2])
    >>> check_tensor("x", rows[0], ("B", 64))
    Traceback (most recent call last):
    ValueError: x has shape (64,): expected (B, 64)
    """
    x = _to_tensor(name, value)
    if like is not None and isinstance(value, np.ndarray):
        x = x.to(like.device)  # an array is nowhere yet
    if x.is_meta and (like is None or not like.is_meta):
        raise TypeError(f"{name} is on the meta device, which holds no numbers: expected them")
    dtypes = (dtype,) if isinstance(dtype, torch.dtype) else dtype
    if like is not None:
        if x.device != like.device:
            raise ValueError(
                f"{name} is on {x.device}: expected it on {like.device}, as {name}.to(…) gives it"
            )
        dtypes = (like.dtype,)
    if dtypes is not None and x.dtype not in dtypes:
        x = _convert(name, x, dtypes)
    if shape is not None and not _fits(x.shape, shape):
        raise ValueError(f"{name} has shape {tuple(x.shape)}: expected {_written(shape)}")
    if least and (x.ndim == 0 or len(x) < least):
        raise ValueError(f"{name} has shape {tuple(x.shape)}: expected at least {least} rows")
    if finite:
        raise_if_any(name, x, ~torch.isfinite(x), "finite numbers")
    return x


def check_unit(name: str, x: Tensor) -> None:
    """Refuse numbers so small or so large that their squares are 0 or infinite in float64."""
    largest = x.detach().abs().max().item() if x.numel() else 0.0
    smallest_allowed, largest_allowed = _SQUARABLE
    if largest and not smallest_allowed <= largest <= largest_allowed:
        raise ValueError(
            f"{name} reaches {largest:.3g}: expected another unit, in which squares are numbers"
        )


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
    if not can_read_values(wrong) or not wrong.any():
        return
    place = tuple(wrong.nonzero()[0].tolist())
    count = int(wrong.sum())
    more = "" if count == 1 else f" (and {count - 1} more)"
    raise ValueError(f"{name}{list(place)} is {x[place].item():.6g}{more}: expected {expected}")


def can_read_values(x: Tensor) -> bool:
    """Whether a check may look at the values of x.

    It may not while torch.compile traces a function, nor inside torch.func's transforms, where one
    tensor stands for many. On the meta device there are none.
    """
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor
    return not torch.compiler.is_compiling() and not x.is_meta and not wrapped(x)


def describe(value: object) -> str:
    """Name what came, for an error: the shape and dtype of a tensor, else the type."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, Tensor | np.ndarray):
        kind = "a tensor" if isinstance(value, Tensor) else "an array"
        return f"{kind} of shape {tuple(value.shape)} and dtype {value.dtype}"
    return f"a {type(value).__name__}"


def _to_number(value: Any) -> Any:
    """Turn NumPy's numbers, and tensors and arrays with no axis, into Python's."""
    if isinstance(value, Tensor):
        readable = value.ndim == 0 and value.layout == torch.strided and not value.is_meta
        return value.item() if readable else value
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return value


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond every float
        return False


def _to_tensor(name: str, value: Any) -> Tensor:
    """Return a dense tensor that holds numbers; TypeError otherwise."""
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_nested:
            raise TypeError(
                f"{name} is sparse or nested: expected a dense tensor ({name}.to_dense())"
            )
        if value.is_quantized:
            raise TypeError(f"{name} is quantised: expected numbers, as {name}.dequantize() gives")
        return value
    if isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
        try:
            # A copy that torch can use: no negative strides, no foreign byte order, and row by row,
            # since the last bits of a product depend on how its factors lie in memory.
            return torch.as_tensor(np.array(value, dtype=value.dtype.newbyteorder("="), order="C"))
        except TypeError as error:
            hint = f", such as np.unique({name}, return_inverse=True)[1] for names"
            raise TypeError(
                f"{name} is an array of dtype {value.dtype}: expected one of numbers"
                f"{hint if value.dtype.kind in 'OSU' else ''}"
            ) from error
    raise TypeError(f"{name} is {describe(value)}: expected a torch.Tensor or a NumPy array")


def _convert(name: str, x: Tensor, dtypes: tuple[torch.dtype, ...]) -> Tensor:
    """Convert x to one of the dtypes if its numbers stay what they are; TypeError otherwise."""
    default = torch.get_default_dtype()
    target = default if default in dtypes else dtypes[0]
    widened = x.dtype in WHOLE and (target in FLOATING or target in WHOLE)
    # Among floating-point numbers the choice is the caller's, unless there is only one.
    rounded = x.dtype in FLOATING and dtypes == (target,) and target in FLOATING
    if widened or rounded:
        return x.to(target)
    numbers = "floating-point numbers" if dtypes is FLOATING else " or ".join(map(str, dtypes))
    raise TypeError(f"{name} has dtype {x.dtype}: expected {numbers}")


def _shorten(value: object) -> str:
    """Write a value in one line: a tensor or a long text by what it is."""
    if isinstance(value, Tensor | np.ndarray):
        return describe(value)
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _fits(found: tuple[int, ...], shape: Shape) -> bool:
    if shape and shape[0] is ...:
        tail = shape[1:]
        found, shape = found[len(found) - len(tail) :] if tail else (), tail
    elif shape and shape[-1] is ...:
        found, shape = found[: len(shape) - 1], shape[:-1]
    if len(found) != len(shape):
        return False
    # A loop, not all(): this runs twenty times in a training step.
    for n, size in zip(found, shape, strict=True):
        if n < (size in _DIMENSIONS) if isinstance(size, str) else n != size:
            return False
    return True


def _written(shape: Shape) -> str:
    sizes = ["..." if size is ... else str(size) for size in shape]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
