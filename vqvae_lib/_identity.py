"""What a training run is known by: of two runs with one identity, either can finish the other."""

from __future__ import annotations

import dis
import functools
import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from itertools import zip_longest
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["find_difference", "identify_callable", "identify_run"]

Identity = dict[str, int | float | str | None]

# What every module has: printed, restored, or of no consequence. Hooks are looked at by themselves.
_OWN_ATTRIBUTES = vars(nn.Module()).keys()
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_LIBRARIES = {"torch", "numpy", "vqvae_lib", *sys.stdlib_module_names} - {"__main__"}
_DEPTH = 20


def identify_run(
    model: nn.Module,
    train: tuple[Tensor, ...],
    valid: tuple[Tensor, ...],
    *,
    transform: Callable[..., object] | None,
    before_epoch: Callable[..., object] | None,
    **settings: int | float | str | None,
) -> Identity:
    """List by name what decides the bits of a training run, in values that JSON can hold.

    Covered are the settings; every value of the data, with its shape, dtype and device type; the
    functions, as `identify_callable` sees them; and the model: as it prints itself, its parameters'
    names, shapes and dtypes and which of them are trained, the attributes of all its parts, hooks,
    buffers that are not saved, and the code of classes that are neither torch's nor this
    library's. The file of a run adds the learning rates of its epochs.

    Not covered are what the file restores in any case (weights, the optimiser's state, random
    numbers), so that the first weights of a resumed call do not count; the number of epochs, which
    may grow; and the installation: versions of Python and its packages, and the processor.
    """
    parameters = [
        f"{name} {tuple(p.shape)} {p.dtype} {'trained' if p.requires_grad else 'frozen'}"
        for name, p in model.named_parameters()
    ]
    return {
        **settings,
        "autocast": _describe_autocast(train[0].device.type),
        **dict(zip_longest(("x_train", "y_train"), map(_fingerprint, train))),
        **dict(zip_longest(("x_valid", "y_valid"), map(_fingerprint, valid))),
        "transform": None if transform is None else identify_callable(transform),
        "before_epoch": None if before_epoch is None else identify_callable(before_epoch),
        "model": re.sub(_ADDRESS, "", repr(model)),
        "parameters": "\n".join(parameters),
        "attributes": "\n".join(_Writer().describe_parts(model)),
    }


def identify_callable(function: Callable[..., object]) -> str:
    """Describe a function by what it does, as far as it can be read off.

    A Python function is known by its module, its name and a hash of its bytecode, its default
    values, and what it refers to: what it closes over, and globals of its own module. Of these
    count numbers, texts, arrays, tuples, dicts with names as keys, frozen dataclasses and
    functions. Any other callable object is known by its repr or, without one of its own, by its
    attributes and its class's ``__call__``.

    Not seen are what lists and models hold that a function refers to, since a run may change them;
    variables that it assigns to itself; and the code of functions from elsewhere. Another version
    of Python compiles other bytecode.
    """
    return _Writer().write_callable(function)


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


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # differs from process to process


class _Writer:
    """Writes values such that equal texts mean equal values, as far as that is possible.

    What an object owns is written with all that it holds. What a function refers to is somebody
    else's, and may change while the run goes on: of lists, models and the like it is the class.
    """

    def __init__(self) -> None:
        self._open: list[int] = []  # the objects that are being written, against circles
        self._parts: set[int] = set()  # of the model, which are described by themselves

    def write(self, value: Any, *, owned: bool = True) -> str:
        """Write a value."""
        if id(value) in self._parts or id(value) in self._open or len(self._open) > _DEPTH:
            return _name(type(value))
        self._open.append(id(value))
        try:
            return self._write(value, owned)
        finally:
            self._open.pop()

    def _write(self, value: Any, owned: bool) -> str:
        match value:
            case None | bool() | int() | float() | complex() | str() | bytes():
                return repr(value)
            case tuple():
                return f"{_name(type(value))}({self._join(value, owned)})"
            case frozenset():
                return f"{{{', '.join(sorted(self.write(v, owned=owned) for v in value))}}}"
            case Tensor() if owned or not value.requires_grad:
                return _fingerprint(value)
            case np.ndarray() | np.generic():
                return f"{value.dtype} {value.shape} {_hash(_read_bytes(value))}"
            case CodeType():
                constants = self.write((value.co_names, value.co_consts), owned=owned)
                return f"{value.co_code!r} {constants}"
            case type() | ModuleType():
                return _name(value) if isinstance(value, type) else value.__name__
            case FunctionType() | MethodType() | functools.partial() | BuiltinFunctionType():
                return self.write_callable(value)
            case dict() if owned or all(isinstance(key, str) for key in value):
                return f"{_name(type(value))}({self._join(value.items(), owned)})"
            case nn.Module() if owned:
                lines = [*self.describe_parts(value), self.write(dict(value.state_dict()))]
                return f"{_name(type(value))} {_hash(' '.join(lines).encode())[:16]}"
        frozen = getattr(getattr(value, "__dataclass_params__", None), "frozen", False)
        if is_dataclass(value) and (owned or frozen):
            entries = ((f.name, getattr(value, f.name, None)) for f in fields(value))
            return f"{_name(type(value))}({self._join(entries, owned)})"
        return self._write_object(value, owned) if owned else _name(type(value))

    def _write_object(self, value: Any, owned: bool) -> str:
        """Write an object by its own words or, without any, by its attributes."""
        kind = type(value)
        if isinstance(value, list | set):
            entries = [self.write(entry, owned=owned) for entry in value]
            return f"{_name(kind)}({', '.join(sorted(entries) if kind is set else entries)})"
        if kind.__module__.split(".")[0] == "torch":
            return _name(kind)
        if kind.__repr__ is not object.__repr__ or kind.__str__ is not object.__str__:
            return _ADDRESS.sub("", f"{_name(kind)} {value}")
        attributes = sorted(getattr(value, "__dict__", {}).items())
        return f"{_name(kind)}({self._join(attributes, owned)})"

    def _join(self, values: Any, owned: bool) -> str:
        return ", ".join(self.write(value, owned=owned) for value in values)

    def write_callable(self, function: Callable[..., object]) -> str:
        """Describe what can be called; see `identify_callable`."""
        match function:
            case FunctionType():
                parts = (
                    function.__code__,
                    function.__defaults__,
                    tuple((function.__kwdefaults__ or {}).items()),
                    tuple(self._find_references(function)),
                )
                text = self.write(parts, owned=False)
                return f"{_name(function)} (code {_hash(text.encode())[:16]})"
            case MethodType():
                owner = self.write(function.__self__, owned=False)
                return f"{self.write(function.__func__)} of {owner}"
            case functools.partial():
                arguments = (function.args, function.keywords)
                return f"partial {self.write(function.func)} of {self.write(arguments)}"
            case BuiltinFunctionType() | type():
                return _name(function)
        kind = type(function)
        if kind.__repr__ is not object.__repr__:
            return _ADDRESS.sub("", repr(function))
        state = self._join(sorted(vars(function).items()), owned=False)
        return f"{_name(kind)}({state}) object, {self.write(kind.__call__)}"

    def _find_references(self, function: FunctionType) -> Iterator[tuple[str, Any]]:
        """List what a function reads and does not assign: closed over, or global in its module."""
        read, assigned = _find_names(function.__code__)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        for name, cell in cells:
            if name not in assigned:
                try:
                    yield name, cell.cell_contents
                except ValueError:  # not yet filled
                    continue
        if function.__module__.split(".")[0] in _LIBRARIES:
            return
        for name in sorted(read - assigned):
            value = function.__globals__.get(name)
            elsewhere = getattr(value, "__module__", None) != function.__module__
            if isinstance(value, FunctionType) and elsewhere:
                yield name, _name(value)
            else:
                yield name, value

    def describe_parts(self, model: nn.Module) -> Iterator[str]:
        """List, by name, what the parts of a model have beside weights and saved buffers."""
        self._parts |= set(map(id, model.modules()))
        kinds: dict[type, None] = {}
        for name, part in model.named_modules():
            prefix = f"{name}." if name else ""
            for attribute, value in sorted(vars(part).items()):
                if attribute in _HOOKS and value:  # by numbers that count up in a process
                    yield f"{prefix}{attribute} = {self.write([*value.values()])}"
                elif attribute not in _OWN_ATTRIBUTES:
                    yield f"{prefix}{attribute} = {self.write(value)}"
            for attribute in sorted(part._non_persistent_buffers_set):
                yield f"{prefix}{attribute} = {self.write(part._buffers[attribute])}"
            if model.training and not part.training:
                yield f"{prefix}training = False"
            kinds |= dict.fromkeys(type(part).__mro__)
        for kind in kinds:
            if kind.__module__.split(".")[0] not in _LIBRARIES:
                yield f"code of {_name(kind)} = {self._write_class(kind)}"

    def _write_class(self, kind: type) -> str:
        """Hash a class's methods and constants."""
        functions: list[Any] = []
        for name, value in sorted(vars(kind).items()):
            if isinstance(value, property):
                functions += [f for f in (value.fget, value.fset) if f]
            elif isinstance(value, staticmethod | classmethod):
                functions.append(value.__func__)
            elif isinstance(value, FunctionType):
                functions.append(value)
            elif isinstance(value, int | float | str | tuple) and not name.startswith("__"):
                functions.append((name, value))  # without __doc__, __firstlineno__ and the like
        return _hash(self._join(functions, owned=True).encode())[:16]


def _find_names(code: CodeType) -> tuple[set[str], set[str]]:
    """Find the names of variables outside that a function reads, and those that it assigns to."""
    read, assigned = set(), set()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(step.argval)
        elif step.opname in ("STORE_GLOBAL", "STORE_DEREF") and step.argval not in code.co_cellvars:
            assigned.add(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner_read, inner_assigned = _find_names(constant)
            read |= inner_read
            assigned |= inner_assigned - {*code.co_cellvars}
    return read, assigned


def _describe_autocast(device: str) -> str | None:
    if not torch.is_autocast_enabled(device):
        return None
    return str(torch.get_autocast_dtype(device))


def _fingerprint(x: Tensor) -> str:
    said = f"{x.dtype} {tuple(x.shape)} on {x.device.type}"
    if x.layout != torch.strided or x.is_meta or x.is_quantized:
        return f"{said} {x.layout}"
    x = x.detach().cpu().resolve_conj().resolve_neg().contiguous()
    return f"{said} sha256 {_hash(x.reshape(-1).view(torch.uint8).numpy().data)}"


def _read_bytes(array: np.ndarray | np.generic) -> bytes:
    # The bytes of objects are their addresses.
    return repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()


def _hash(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"
