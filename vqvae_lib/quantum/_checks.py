"""What every backend asks of its input, and what a state vector costs."""

from __future__ import annotations

import math
import os
from functools import cache
from types import EllipsisType
from typing import Any

import torch
from torch import Tensor

from vqvae_lib._checks import check_instance, check_tensor
from vqvae_lib.quantum.circuit import Circuit

_GB = 1e9
REAL = (torch.float32, torch.float64)
HALF = (torch.float16, torch.bfloat16)
AMPLITUDES = (torch.complex64, torch.complex128, *REAL)


def check_circuit(circuit: Any) -> Circuit:
    """Return a Circuit; TypeError for anything else."""
    return check_instance("circuit", circuit, Circuit, "a Circuit, such as Circuit(4)")


def check_inputs(
    circuit: Circuit, z: Any, weights: Any, *, lead: str | EllipsisType = "B"
) -> tuple[Tensor, Tensor]:
    """Return latent vectors and weights that fit the circuit and each other; else an error.

    Latent vectors take on the weights' dtype, which settles the precision of all that follows.
    Weights of half precision, in which angles would be too coarse, become float32.

    Parameters
    ----------
    circuit, z, weights
        As a backend takes them.
    lead
        What comes before the last axis of z: "B" for a batch, an ellipsis for any axes.
    """
    if _fit(circuit, z, weights):
        return z, weights
    if isinstance(weights, Tensor) and weights.dtype in HALF:
        weights = weights.float()
    weights = check_numbers("weights", weights, circuit.weight_shape, REAL)
    check_same_device("z", z, "weights", weights)
    return check_tensor("z", z, (lead, circuit.latent_dim), like=weights), weights


def _fit(circuit: Circuit, z: Any, weights: Any) -> bool:
    """Whether nothing is to be converted or refused: the usual case, at a tenth of the price."""
    return (
        type(z) is Tensor
        and isinstance(weights, Tensor)
        and z.dtype is weights.dtype
        and z.dtype in REAL
        and z.layout is weights.layout is torch.strided
        and not z.is_nested
        and z.device == weights.device
        and z.ndim == 2
        and z.shape[1] == circuit.latent_dim
        and weights.shape == circuit.weight_shape
    )


def check_numbers(
    name: str, value: Any, shape: tuple[int | str | EllipsisType, ...], dtypes: Any
) -> Tensor:
    """Check a tensor as `check_tensor` does, but let one pass that has only a shape (meta)."""
    only_shape = isinstance(value, Tensor) and value.is_meta and value.dtype in dtypes
    return check_tensor(name, value, shape, dtype=dtypes, like=value if only_shape else None)


def check_same_device(name: str, value: Any, other_name: str, other: Any) -> None:
    """Refuse two tensors on different devices; what is no tensor yet will be on the CPU."""
    here, there = (
        x.device if isinstance(x, Tensor) else torch.device("cpu") for x in (value, other)
    )
    if here != there:
        raise ValueError(
            f"{name} is on {here} and {other_name} on {there}: expected both on the same device"
        )


def is_transformed(*tensors: Tensor) -> bool:
    """Whether a transform of torch.func (vmap, grad, jvp, …) works on one of these tensors."""
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor  # which torch.compile cannot trace
    return not torch.compiler.is_compiling() and any(map(wrapped, tensors))


def state_gigabytes(n: int, dtype: torch.dtype) -> float:
    """Memory of one state vector of n qubits, in GB: 2**n amplitudes of two numbers."""
    return math.ldexp(2 * dtype.itemsize / _GB, min(n, 1000))


def check_memory(circuit: Circuit | None, n: int, states: int, dtype: torch.dtype) -> None:
    """Refuse more state vectors of n qubits than this machine can hold.

    The circuit, where there is one, decides what is advised.
    """
    states = max(states, 1)
    one = state_gigabytes(n, dtype)
    if states * one < 0.1 or states * one <= (available := _memory_gigabytes()):
        return
    if one <= available:
        remedy = "Give it fewer samples at a time"
    elif circuit is None:
        remedy = "Use fewer qubits"
    elif (width := max(circuit.light_cone_widths)) < n and (
        state_gigabytes(width, dtype) <= available
    ):
        remedy = f"backend='light_cone' computes this circuit from {width} qubits at a time"
    elif circuit.entangler == "brickwork":
        remedy = "Fewer entangling layers make the light cones narrower"
    else:
        remedy = "A circuit with entangler='brickwork' can use light cones instead"
    need = f"{states * one:,.0f}" if n < 60 else f"{states * one:.0e}"
    raise ValueError(
        f"n_qubits={n if circuit is None else circuit.n_qubits} needs {need} GB for {states} "
        f"state vector(s) of {n} qubits in {dtype}, and this machine has {available:,.0f} GB. "
        f"{remedy}"
    )


@cache
def _memory_gigabytes() -> float:
    """Memory of this machine in GB."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GB
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 64.0
