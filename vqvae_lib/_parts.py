"""Parts of models in words that JSON can hold, and back; and whether the words say it all.

A part is described by its class and the arguments that build it, which may be parts again:

    {"name": "GaussianEncoder", "trunk": {"name": "MLP", ...}, "width": 128, "d": 8}

Described are the library's own parts, each by its ``settings()``, and torch's plain layers, each by
the arguments that it keeps as attributes. What a description cannot say, such as a hook, a pruned
weight or a wrapper, shows when the part is built again: `find_alteration` compares the two.
"""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = ["build", "build_without_numbers", "describe_part", "find_alteration", "get_class"]

# Each keeps the arguments of its constructor as attributes of the same names.
_LAYERS: tuple[type[nn.Module], ...] = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.Dropout, nn.Dropout2d),
    *(nn.GELU, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh),
    *(nn.Softplus, nn.Hardtanh, nn.Flatten, nn.Unflatten, nn.Upsample, nn.AvgPool2d, nn.MaxPool2d),
)
# What a part may have without being another one: its mode, what runs it, what it is told in use.
_TRANSIENT = {"training", "backend", "kl_weight", "scaling"}


@functools.cache
def _known() -> dict[str, type]:
    """Everything that a description may name."""
    # Here, since these modules themselves save and load.
    from vqvae_lib import autoencoder, bottlenecks, conditions, likelihoods, networks, scaling
    from vqvae_lib.quantum import Circuit, QuantumLayer
    from vqvae_lib.quantum_autoencoder import QuantumAutoencoder
    from vqvae_lib.vae import VAE, GaussianEncoder
    from vqvae_lib.vqvae import VQVAE

    own: tuple[type, ...] = (
        *(VAE, VQVAE, QuantumAutoencoder, autoencoder.Autoencoder, autoencoder.LinearAutoencoder),
        *(autoencoder.DenoisingAutoencoder, GaussianEncoder, networks.ConvEncoder),
        *(networks.ConvDecoder, likelihoods.Bernoulli, likelihoods.Binomial, likelihoods.Gaussian),
        *(conditions.NoCondition, conditions.Labels, conditions.Numbers, Circuit, QuantumLayer),
        *(bottlenecks.Scaled, bottlenecks.Patched, bottlenecks.Fourier),
        *(scaling.TableScaling, scaling.ImageScaling, nn.Sequential, nn.Identity),
    )
    private = {
        "MLP": networks._MLP,
        "NearIdentity": bottlenecks._NearIdentity,
        "TanhOfAngle": bottlenecks._Tanh,
    }
    return {cls.__name__: cls for cls in (*own, *_LAYERS)} | private


# ------------------------------------------------------------------------------- descriptions


def describe_part(value: Any, place: str = "this model") -> Any:
    """Describe a part, or an argument of one; TypeError, with its place, for what has no words."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case np.generic():
            return value.item()
        case tuple() | list():
            return [describe_part(entry, f"{place}[{i}]") for i, entry in enumerate(value)]
        case dict():
            return {key: describe_part(entry, f"{place}.{key}") for key, entry in value.items()}
    # By its type: a subclass is not one of the library's own, whatever it inherits.
    name = next((name for name, cls in _known().items() if cls is type(value)), None)
    if name is None:
        raise TypeError(
            f"{place} is a {type(value).__name__}, which a file cannot describe: expected one of "
            "the library's own parts, or of torch's plain layers; or keep model.state_dict()"
        )
    prefix = "" if place == "this model" else f"{place}."
    settings = {
        key: describe_part(entry, f"{prefix}{key}") for key, entry in _settings(value).items()
    }
    return {"name": name, **settings}


def _settings(part: Any) -> dict[str, Any]:
    """Return the arguments that build a part again."""
    from vqvae_lib.quantum import QuantumLayer

    if isinstance(part, nn.Sequential):
        return {"layers": dict(part._modules)}
    if isinstance(part, nn.Identity):
        return {}
    if isinstance(part, QuantumLayer):
        return {"circuit": part.circuit}
    if isinstance(part, _LAYERS):
        names = [name for name in inspect.signature(type(part)).parameters if hasattr(part, name)]
        settings = {name: getattr(part, name) for name in names}
        if "bias" in settings:  # the attribute is the parameter itself
            settings["bias"] = settings["bias"] is not None
        return settings
    if is_dataclass(part):
        return {field.name: getattr(part, field.name) for field in fields(part)}
    return part.settings()


def get_class(name: Any) -> type | None:
    """Return the class that a description calls so; None if there is none."""
    return _known().get(name) if isinstance(name, str) else None


def build_without_numbers(description: dict[str, Any]) -> Any:
    """Build a model of any size for nothing: its tensors have shapes, but take no memory."""
    with torch.device("meta"):
        return build(description)


def build(description: Any) -> Any:
    """Build what `describe_part` described; an error where it says no such thing."""
    match description:
        case list():
            return tuple(build(entry) for entry in description)  # JSON knows lists only
        case {"name": str(name)}:
            cls = get_class(name)
            if cls is None:
                raise ValueError(f"it holds a {name!r}, which this version does not know")
            arguments = {key: build(v) for key, v in description.items() if key != "name"}
            if issubclass(cls, nn.Sequential):
                return cls(OrderedDict(arguments["layers"]))
            known = inspect.signature(cls).parameters
            if "backend" in known:  # has a circuit, whose weights are about to be replaced
                arguments |= {"backend": _AnyBackend(), "init": "random"}
            return cls(**arguments)
        case dict():
            return {key: build(entry) for key, entry in description.items()}
    return description


class _AnyBackend:
    """Stands where a layer's backend will be chosen later: it fits any circuit, and runs none."""

    name = "none"

    class _AnyCircuit:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    circuit: Any = _AnyCircuit()

    def __call__(self, z: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no backend has been chosen for this circuit")


# -------------------------------------------------------------------------------- alterations


def find_alteration(model: nn.Module, described: nn.Module) -> str | None:
    """Say where a model differs from the one that its description builds; None if it does not.

    Compared are the classes of all parts, their hooks and settings, and the shapes, the layout
    and the sharing of their tensors; not the numbers.
    """
    return next(_list_alterations(model, described), None)


def _list_alterations(model: nn.Module, described: nn.Module) -> Iterator[str]:
    expected = dict(described.named_modules(remove_duplicate=False))
    for name, part in model.named_modules(remove_duplicate=False):
        place = name or "this model"
        if name not in expected:
            yield f"{place}, a {type(part).__name__}, was added to it"
            return
        twin = expected.pop(name)
        if type(part) is not type(twin):
            yield "{} is a {}: expected a {}".format(place, *_tell_apart(type(part), type(twin)))
            return  # the rest follows from it
        if hook := _find_hook(part):
            yield f"{place} is changed by a {hook}"
        for key, value in vars(twin).items():
            if _is_setting(key, value) and vars(part).get(key) != value:
                yield f"{place} has {key}={vars(part).get(key)!r}: expected {value!r}"
        for key in vars(part).keys() - vars(twin).keys() - _TRANSIENT:
            if hasattr(type(part), key):
                yield f"{place} has a {key} of its own"
    for name in expected:
        yield f"{name} is missing"
    yield from _list_altered_tensors(model, described)


def _list_altered_tensors(model: nn.Module, described: nn.Module) -> Iterator[str]:
    found, expected = model.state_dict(keep_vars=True), described.state_dict(keep_vars=True)
    for name in found.keys() ^ expected.keys():
        yield f"{name} is {'missing' if name in expected else 'a tensor that was added to it'}"
    for name in found.keys() & expected.keys():
        t, shape = found[name], tuple(expected[name].shape)
        if t.layout is not torch.strided or t.is_meta or t.is_quantized:
            yield f"{name} is sparse, quantised, or has no numbers"
        elif tuple(t.shape) != shape:
            yield f"{name} has shape {tuple(t.shape)}: expected {shape}"
    first: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        other = first.setdefault(id(parameter), name)
        if other != name:
            yield f"{name} and {other} are one parameter"


def _tell_apart(first: type, second: type) -> tuple[str, str]:
    """Name two classes, with their modules where the names alone are the same."""
    if first.__name__ != second.__name__:
        return first.__name__, second.__name__
    return f"{first.__module__}.{first.__name__}", f"{second.__module__}.{second.__name__}"


def _find_hook(part: nn.Module) -> str | None:
    for key, hooks in vars(part).items():
        if "hook" in key and isinstance(hooks, dict) and hooks:
            hook = next(iter(hooks.values()))
            return f"hook ({getattr(hook, '__qualname__', type(hook).__name__)})"
    return None


def _is_setting(key: str, value: Any) -> bool:
    """Whether an attribute of a part is one of its settings: numbers, words, dataclasses."""
    if key in _TRANSIENT or (key.startswith("_") and key != "_architecture"):
        return False
    return (
        value is None
        or isinstance(value, bool | int | float | str | tuple | list | dict)
        or (is_dataclass(value))
    )
