"""What a training run is known by: of two runs with one identity, either can finish the other."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from itertools import zip_longest
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["find_difference", "identify_callable", "identify_run"]

Identity = dict[str, int | float | str | None]


def identify_run(
    model: nn.Module,
    train: tuple[Tensor, ...],
    valid: tuple[Tensor, ...],
    *,
    seed: int,
    batch_size: int,
    optimizer: str,
    weight_decay: float,
    patience: int | None,
    transform: Callable[..., object] | None,
    before_epoch: Callable[..., object] | None,
) -> Identity:
    """List by name what decides the bits of a training run, in values that JSON can hold.

    Covered are the seed, the batch size, the optimiser and its weight decay, and the patience;
    every value of the data, with its shape, dtype and device type; the model as it prints itself,
    and its parameters' names, shapes and dtypes and which of them are trained; the functions, as
    far as `identify_callable` sees. The file of a run adds the learning rates of its epochs.

    Not covered are what the file restores in any case (weights, the optimiser's state, random
    numbers), so that the first weights of a resumed call do not count; the number of epochs, which
    may grow; whatever a model does without printing it, its code included; and the installation:
    versions of Python and torch, the number of threads, the processor.
    """
    parameters = [
        f"{name} {tuple(p.shape)} {p.dtype} {'trained' if p.requires_grad else 'frozen'}"
        for name, p in model.named_parameters()
    ]
    return {
        "seed": seed,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "weight_decay": weight_decay,
        "patience": patience,
        **dict(zip_longest(("x_train", "y_train"), map(_fingerprint, train))),
        **dict(zip_longest(("x_valid", "y_valid"), map(_fingerprint, valid))),
        "transform": None if transform is None else identify_callable(transform),
        "before_epoch": None if before_epoch is None else identify_callable(before_epoch),
        "model": repr(model),
        # What is frozen is not printed, and the optimiser's state goes by position.
        "parameters": "\n".join(parameters),
    }


def identify_callable(function: Callable[..., object]) -> str:
    """Describe a function by what it does, as far as it can be read off.

    A Python function is known by its module, its name and a hash of its bytecode, its default
    values and the constants that it closes over: numbers, strings, arrays, tuples, functions. Any
    other callable object is known by its repr or, without one of its own, by its class's
    ``__call__``.

    Not seen are global variables and the code of functions called by name, and the state of
    mutable objects such as lists and models. Another version of Python compiles other bytecode.
    """
    match function:
        case FunctionType():
            cells = (cell.cell_contents for cell in function.__closure__ or ())
            closure = tuple(content for content in cells if content is not function)
            keyword_defaults = tuple((function.__kwdefaults__ or {}).items())
            parts = (function.__code__, function.__defaults__, keyword_defaults, closure)
            return f"{_name(function)} (code {_hash(_write_constant(parts).encode())[:16]})"
        case MethodType():
            return f"{identify_callable(function.__func__)} of {_write_constant(function.__self__)}"
        case functools.partial():
            arguments = (function.args, tuple(function.keywords.items()))
            return f"partial {identify_callable(function.func)} of {_write_constant(arguments)}"
        case BuiltinFunctionType() | type():
            return _name(function)
    if type(function).__repr__ is not object.__repr__:
        # A memory address differs from process to process.
        return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(function))
    call = type(function).__call__
    return f"{_name(type(function))} object, {identify_callable(call)}"


def find_difference(written: Identity, current: Identity) -> tuple[str, str, str] | None:
    """Find the first entry that differs: its name, what was written, what it is now.

    Of texts with several lines, such as a printed model, these are the first lines that differ.
    """
    for name in current:
        if written.get(name) != current[name]:
            texts = (str(written.get(name)), str(current[name]))
            lines = zip_longest(*(text.splitlines() for text in texts), fillvalue="")
            before, now = next((pair for pair in lines if pair[0] != pair[1]), texts)
            return name, before.strip(), now.strip()
    return None


def _write_constant(value: Any) -> str:
    """Write a constant such that equal texts mean equal values; of anything else, the class."""
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes():
            return repr(value)
        case tuple():
            return f"({', '.join(_write_constant(entry) for entry in value)})"
        case frozenset():
            return f"{{{', '.join(sorted(_write_constant(entry) for entry in value))}}}"
        case Tensor() if not value.requires_grad:
            return _fingerprint(value)
        case np.ndarray() | np.generic():
            return f"{value.dtype} {value.shape} {_hash(value.tobytes())}"
        case CodeType():
            return f"{value.co_code!r} {_write_constant((value.co_names, value.co_consts))}"
        case FunctionType() | MethodType() | functools.partial() | BuiltinFunctionType():
            return identify_callable(value)
    return _name(type(value))


def _fingerprint(x: Tensor) -> str:
    content = x.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return f"{x.dtype} {tuple(x.shape)} on {x.device.type} sha256 {_hash(content)}"


def _hash(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"
