"""The compiled circuit where torch rewrites programs: torch.compile, and what torch.func offers.

Both want a function of tensors that remembers nothing between its two ways. Here the way back
therefore runs the circuit forward once more: a training step takes about half as long again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from vqvae_lib.quantum.compiled.engine import Compiled

__all__ = ["FIRST_ONLY", "traced", "transformed"]

_INSTEAD = (
    "layer.to_backend('statevector'), which shares the weights, or, for very many qubits, "
    "layer.to_backend('light_cone', compiled=False)"
)
FIRST_ONLY = (
    f"the compiled quantum layer has first derivatives only: for second derivatives use {_INSTEAD}"
)
_BACKWARD_ONLY = (
    "the compiled quantum layer has backward-mode derivatives only (backward, grad, vjp, jacrev): "
    f"for forward-mode ones use {_INSTEAD}"
)

# ------------------------------------------------------------------------------------ torch.func


def transformed(backend: Compiled, z: Tensor, weights: Tensor) -> Tensor:
    """Features inside the transforms of `torch.func`."""
    return _Features.apply(backend, z, weights)


class _Features(torch.autograd.Function):
    """Features as a function that transforms know how to take apart."""

    @staticmethod
    def forward(backend: Compiled, z: Tensor, weights: Tensor) -> Tensor:
        return backend._features(z, weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.backend, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        return None, *_Gradients.apply(ctx.backend, *ctx.saved_tensors, grad)

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], backend: Any, z: Any, weights: Any) -> Any:
        if dims[2] is not None:
            rows = _rows(info.batch_size, dims[1:], z, weights)
            return torch.stack([_Features.apply(backend, *row) for row in rows]), 0
        # Samples with the same weights are one batch.
        z = z.movedim(dims[1], 0)  # (V, B, d)
        features = _Features.apply(backend, z.reshape(-1, z.shape[-1]), weights)  # (V·B, m)
        return features.reshape(*z.shape[:-1], backend.n_features), 0

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        raise RuntimeError(_BACKWARD_ONLY)


class _Gradients(torch.autograd.Function):
    """First derivatives in the same way, and no second ones."""

    @staticmethod
    def forward(backend: Compiled, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        return backend._gradients(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise RuntimeError(FIRST_ONLY)

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], backend: Any, *tensors: Any) -> Any:
        rows = _rows(info.batch_size, dims[1:], *tensors)
        found = [_Gradients.apply(backend, *row) for row in rows]
        return tuple(torch.stack(part) for part in zip(*found, strict=True)), (0, 0)

    jvp = backward


def _rows(count: int, dims: tuple[int | None, ...], *tensors: Tensor) -> list[list[Tensor]]:
    """Arguments one by one, of tensors that stand for `count` along their axes `dims`."""
    return [
        [t if axis is None else t.select(axis, i) for t, axis in zip(tensors, dims, strict=True)]
        for i in range(count)
    ]


# --------------------------------------------------------------------------------- torch.compile

# Operators take no Python objects: backends by a name that is their content.
_backends: dict[str, Compiled] = {}


def traced(backend: Compiled, z: Tensor, weights: Tensor) -> Tensor:
    """Features as a node of a graph that torch.compile is building."""
    return _features_operator(_enter(backend), z, weights, backend.circuit.n_features)


@torch.compiler.assume_constant_result
def _enter(backend: Compiled) -> str:
    """Make a backend known to the operators; its name is the same in every process."""
    content = repr((backend.circuit, backend.windows))
    name = hashlib.sha256(content.encode()).hexdigest()
    _backends[name] = backend
    return name


@torch.library.custom_op("vqvae_lib::quantum_features", mutates_args=())
def _features_operator(name: str, z: Tensor, weights: Tensor, m: int) -> Tensor:
    return _backends[name]._features(z, weights)


@_features_operator.register_fake
def _(name: str, z: Tensor, weights: Tensor, m: int) -> Tensor:
    return z.new_empty(z.shape[0], m)


@torch.library.custom_op("vqvae_lib::quantum_gradients", mutates_args=())
def _gradients_operator(
    name: str, z: Tensor, weights: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    return _backends[name]._gradients(z, weights, grad)


@_gradients_operator.register_fake
def _(name: str, z: Tensor, weights: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    return z.new_empty(z.shape), weights.new_empty(weights.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.name, *tensors = inputs[:3]
    ctx.save_for_backward(*tensors)


def _back(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return None, *_gradients_operator(ctx.name, *ctx.saved_tensors, grad), None


_features_operator.register_autograd(_back, setup_context=_save)
