"""What is thrown: bad values and friendly ones, by the kind of argument."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

HUGE = 10**400
"""A whole number beyond every float."""

KINDS = (
    *("tensor", "labels", "mask", "states", "array"),
    *("count", "seed", "number", "flag", "choice", "text"),
    *("generator", "path", "callable", "sequence", "mapping", "object"),
)


class Nothing:
    """An object without any meaning."""

    def __repr__(self) -> str:
        return "Nothing()"


@dataclass(frozen=True)
class Friendly:
    """A value that everybody reads as its plain form, whose result it must have."""

    value: Any
    plain: Any


def kind_of(name: str, value: Any) -> str:
    """Derive an argument's kind from a valid value (and, for a seed, from its name)."""
    if isinstance(value, Tensor):
        if value.is_complex():
            return "states"
        if value.dtype == torch.bool:
            return "mask"
        return "tensor" if value.is_floating_point() else "labels"
    for kind, types in (
        ("flag", bool),
        ("seed" if name.endswith("seed") else "count", int),
        ("number", float),
        ("choice", str),
        ("array", np.ndarray),
        ("generator", torch.Generator),
        ("path", Path),
        ("mapping", Mapping),
        ("sequence", list | tuple | set | frozenset | range),
    ):
        if isinstance(value, types):
            return kind
    return "callable" if callable(value) else "object"


# ---------------------------------------------------------------- bad values


def bad_values(kind: str, valid: Any, *, shares_rows: bool = False) -> dict[str, Any]:
    """Return bad values by label, made out of a valid one.

    Parameters
    ----------
    kind
        One of `KINDS`.
    valid
        A value that the callable takes.
    shares_rows
        Whether another argument has as many rows, so that another number of them is wrong.
    """
    values = dict(COMMON)
    values.update(BAD[kind](valid, shares_rows) if kind in TENSORS else BAD[kind](valid))
    return values


COMMON = {"None": None, "an object": Nothing()}

TENSORS = ("tensor", "labels", "mask", "states", "array")


def _of_no_tensor() -> dict[str, Any]:
    return {"text": "abc", "a class": Tensor, "a mapping": {"x": 1}}


def _of_any_tensor(x: Tensor, shares_rows: bool) -> dict[str, Any]:
    values = {
        **_of_no_tensor(),
        "a number": 1.5,
        "a list": x.tolist(),
        "on the meta device": x.to("meta"),
        "an array of text": np.full(tuple(x.shape), "a"),
        "an array of objects": np.full(tuple(x.shape), None),
        "an array of dates": np.full(tuple(x.shape), np.datetime64("2026-01-01")),
        "a masked array": np.ma.masked_array(x.resolve_conj().numpy(), mask=True),
        "a structured array": np.zeros(tuple(x.shape), dtype=[("a", "f4"), ("b", "i4")]),
        "one axis more": x[None],
        "one axis more at the end": x[..., None],
    }
    if x.ndim:
        values["sparse"] = x.to_sparse()
        values["one axis less"] = x[0]
        values["empty"] = x[:0]
        if shares_rows:
            values["one row more"] = torch.cat([x, x[:1]])
            if len(x) > 1:
                values["one row"] = x[:1]
    if x.ndim > 1:
        values["another width"] = torch.cat([x, x[..., :1]], dim=-1)
        values["no width"] = x[..., :0]
        if x.shape[-1] > 1:
            values["a width of 1"] = x[..., :1]
    return values


def _filled(x: Tensor, number: float) -> Tensor:
    """Replace one value."""
    x = x.clone()
    x.view(-1)[-1] = number
    return x


def _bad_tensors(x: Tensor, shares_rows: bool) -> dict[str, Any]:
    x = x.detach().contiguous()
    return {
        **_of_any_tensor(x, shares_rows),
        "bool": x > 0,
        "complex": torch.complex(x, x),
        "an array of complex numbers": x.numpy() + 1j,
        "nan": _filled(x, float("nan")),
        "inf": _filled(x, float("inf")),
        "huge": _filled(x, 1e30),
        "all huge": torch.full_like(x, -1e30),
    }


def _bad_labels(x: Tensor, shares_rows: bool) -> dict[str, Any]:
    return {
        **_of_any_tensor(x, shares_rows),
        "bool": x > 0,
        "complex": torch.complex(x.float(), x.float()),
        "fractions": x + 0.5,
        "floats": x.float(),
        "negative": x - x.max() - 7,
        "huge": x + 10**12,
    }


def _bad_masks(x: Tensor, shares_rows: bool) -> dict[str, Any]:
    return {
        **_of_any_tensor(x, shares_rows),
        "complex": torch.complex(x.float(), x.float()),
        "fractions": x + 0.5,
        "floats": x.float(),
        "whole numbers": x.long(),
        "nan": torch.full(x.shape, float("nan")),
    }


def _bad_states(x: Tensor, shares_rows: bool) -> dict[str, Any]:
    return {
        **_of_any_tensor(x, shares_rows),
        "bool": x.real > 0,
        "nan": x * float("nan"),
        "inf": x * float("inf"),
        "huge": x * 1e30,
        "zero": x * 0,
    }


def _bad_arrays(x: np.ndarray, shares_rows: bool) -> dict[str, Any]:
    """For an argument whose plain form is an array: the same, seen from NumPy."""
    values = BAD[kind_of("", torch.as_tensor(x))](torch.as_tensor(x), shares_rows)
    return {
        label: value.numpy() if isinstance(value, Tensor) and value.layout == torch.strided else 0
        for label, value in values.items()
        if label not in {"sparse", "on the meta device"}
    }


def _of_no_number() -> dict[str, Any]:
    return {
        **_of_no_tensor(),
        "a number as text": "3",
        "bool": True,
        "a list": [1],
        "complex": 1 + 1j,
        "nan": float("nan"),
        "inf": float("inf"),
        "minus inf": float("-inf"),
        "a tensor of two": torch.tensor([1.0, 2.0]),
        "an array of two": np.array([1, 2]),
        "a number on the meta device": torch.tensor(1.0, device="meta"),
        "beyond all floats": HUGE,
    }


def _bad_counts(valid: int) -> dict[str, Any]:
    return {
        **_of_no_number(),
        "zero": 0,
        "negative": -1,
        "a fraction": valid + 0.5,
        "a float": float(valid),
        "beyond all memory": 10**12,
    }


def _bad_seeds(valid: int) -> dict[str, Any]:
    return {
        **_of_no_number(),
        "negative": -1,
        "a fraction": valid + 0.5,
        "a float": float(valid),
        "a generator": torch.Generator(),
        "beyond 64 bits": 2**64,
    }


def _bad_numbers(valid: float) -> dict[str, Any]:
    return {**_of_no_number(), "zero": 0.0, "negative": -1.5, "huge": 1e30}


def _bad_flags(valid: bool) -> dict[str, Any]:
    return {
        **_of_no_tensor(),
        "a flag as text": str(valid),
        "a whole number": int(valid),
        "a float": float(valid),
        "a list": [valid],
        "an array of two": np.array([True, False]),
        "a tensor of two": torch.tensor([True, False]),
    }


def _bad_texts(valid: str) -> dict[str, Any]:
    return {
        "a number": 3,
        "bool": True,
        "bytes": valid.encode(),
        "a list": [valid],
        "a class": Tensor,
        "a tensor": torch.zeros(2),
        "an array": np.zeros(2),
    }


def _bad_choices(valid: str) -> dict[str, Any]:
    return {**_bad_texts(valid), "no such choice": "no such choice", "empty": ""}


def _bad_generators(valid: torch.Generator) -> dict[str, Any]:
    return {
        **_of_no_tensor(),
        "a seed": 0,
        "bool": True,
        "Python's generator": random.Random(0),
        "NumPy's generator": np.random.default_rng(0),
        "its class": torch.Generator,
        "a tensor": torch.zeros(2),
    }


def _bad_paths(valid: Path) -> dict[str, Any]:
    return {
        "a number": 3,
        "bool": True,
        "a list": [str(valid)],
        "a tensor": torch.zeros(2),
        "nowhere": Path("/proc/nowhere/at/all"),  # where nobody, root included, makes a folder
        "a null byte": "a\0b",
        "empty": "",
        "a file as folder": Path(__file__) / "x",
    }


def _bad_callables(valid: Callable[..., Any]) -> dict[str, Any]:
    values = {
        "text": "abc",
        "a number": 1.5,
        "bool": True,
        "a list": [valid],
        "a tensor": torch.zeros(2, 3),
        "an array": np.zeros((2, 3)),
    }
    return {**values, "its class": type(valid)} if isinstance(valid, nn.Module) else values


def _bad_objects(valid: Any) -> dict[str, Any]:
    return {
        "text": "abc",
        "a number": 1.5,
        "bool": True,
        "a list": [valid],
        "a tensor": torch.zeros(2, 3),
        "its class": type(valid),
    }


def _bad_sequences(valid: Any) -> dict[str, Any]:
    items = list(valid)
    values: dict[str, Any] = {
        "text": "abc",
        "a number": 1.5,
        "bool": True,
        "empty": type(valid)() if not isinstance(valid, range) else (),
        "a mapping without items": {},
    }
    if items:
        # One item spoilt, and the others as they were.
        of_item = bad_values(kind_of("", items[-1]), items[-1], shares_rows=True)
        for label, value in of_item.items():
            values[f"an item: {label}"] = [*items[:-1], value]
    return values


def _bad_mappings(valid: Mapping[Any, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "text": "abc",
        "a number": 1.5,
        "bool": True,
        "a list": list(valid),
        "empty": {},
        "a key that is no text": {**valid, 3: 1},
    }
    if valid:
        key = list(valid)[-1]
        of_item = bad_values(kind_of("", valid[key]), valid[key], shares_rows=True)
        for label, value in of_item.items():
            values[f"an item: {label}"] = {**valid, key: value}
    return values


BAD: dict[str, Callable[..., dict[str, Any]]] = {
    "tensor": _bad_tensors,
    "labels": _bad_labels,
    "mask": _bad_masks,
    "states": _bad_states,
    "array": _bad_arrays,
    "count": _bad_counts,
    "seed": _bad_seeds,
    "number": _bad_numbers,
    "flag": _bad_flags,
    "choice": _bad_choices,
    "text": _bad_texts,
    "generator": _bad_generators,
    "path": _bad_paths,
    "callable": _bad_callables,
    "sequence": _bad_sequences,
    "mapping": _bad_mappings,
    "object": _bad_objects,
}


# ---------------------------------------------------------------- friendly values


def friendly_values(kind: str, valid: Any) -> dict[str, Friendly]:
    """Return values that mean the same as a plain one, by label."""
    return {label: Friendly(*pair) for label, *pair in FRIENDLY.get(kind, _no_friends)(valid)}


def _no_friends(valid: Any) -> Iterator[tuple[str, Any, Any]]:
    return iter(())


def _tensors_as_arrays(x: Tensor) -> Iterator[tuple[str, Any, Any]]:
    array = x.detach().resolve_conj().numpy()
    yield "an array", array, x
    yield "an array with steps", np.repeat(array, 2, axis=0)[::2] if x.ndim else array, x
    yield "an array read backwards", np.flip(np.flip(array).copy()), x
    yield "an array in Fortran's order", np.asfortranarray(array), x
    yield "an array that cannot be written", _read_only(array), x
    if array.dtype.itemsize > 1:
        yield "an array of foreign byte order", array.astype(array.dtype.newbyteorder(">")), x


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def _friendly_tensors(x: Tensor) -> Iterator[tuple[str, Any, Any]]:
    yield from _tensors_as_arrays(x)
    x = x.detach()
    yield "float64", x.double(), x
    yield "an array of float64", x.double().numpy(), x
    yield "float32", x.float(), x
    # The plain form of whole numbers are the same as floats: rounded, but still in bounds.
    whole = x.trunc()
    yield "whole numbers", whole.long(), whole
    if bool((whole >= 0).all()):
        yield "bytes", whole.byte(), whole
    yield "an array of whole numbers", whole.int().numpy(), whole
    if x.ndim:
        yield "a part of a larger tensor", torch.stack([x, x], dim=-1)[..., 0], x
    yield "a parameter", nn.Parameter(x.clone()), x


def _friendly_labels(x: Tensor) -> Iterator[tuple[str, Any, Any]]:
    yield from _tensors_as_arrays(x)
    yield "int32", x.int(), x
    if bool(((x >= 0) & (x < 256)).all()):
        yield "bytes", x.byte(), x
    yield "an array of int32", x.int().numpy(), x


def _friendly_arrays(x: np.ndarray) -> Iterator[tuple[str, Any, Any]]:
    yield "a tensor", torch.as_tensor(x), x
    yield from (friend for friend in _tensors_as_arrays(torch.as_tensor(x)))


def _friendly_counts(valid: int) -> Iterator[tuple[str, Any, Any]]:
    yield "np.int64", np.int64(valid), valid
    yield "np.uint8", np.uint8(valid), valid
    yield "an array with no axis", np.array(valid), valid
    yield "a tensor with no axis", torch.tensor(valid), valid


def _friendly_numbers(valid: float) -> Iterator[tuple[str, Any, Any]]:
    yield "np.float32", np.float32(valid), valid
    yield "np.float64", np.float64(valid), valid
    yield "an array with no axis", np.array(valid), valid
    yield "a tensor with no axis", torch.tensor(valid), valid
    yield "a whole number", round(valid), float(round(valid))


def _friendly_flags(valid: bool) -> Iterator[tuple[str, Any, Any]]:
    yield "np.bool_", np.bool_(valid), valid


def _friendly_paths(valid: Path) -> Iterator[tuple[str, Any, Any]]:
    yield "text", str(valid), valid


def _friendly_sequences(valid: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(valid, list | tuple):
        yield "the other of list and tuple", (tuple if type(valid) is list else list)(valid), valid
        if valid and all(type(item) in (int, float) for item in valid):
            yield "NumPy's numbers", type(valid)(np.array(valid)), valid


FRIENDLY: dict[str, Callable[[Any], Iterator[tuple[str, Any, Any]]]] = {
    "tensor": _friendly_tensors,
    "labels": _friendly_labels,
    "mask": _tensors_as_arrays,
    "states": _tensors_as_arrays,
    "array": _friendly_arrays,
    "count": _friendly_counts,
    "seed": _friendly_counts,
    "number": _friendly_numbers,
    "flag": _friendly_flags,
    "path": _friendly_paths,
    "sequence": _friendly_sequences,
}
