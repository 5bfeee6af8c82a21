"""What every backend asks of its input, and what a state vector costs."""

from __future__ import annotations

import math
import os
from functools import cache

import torch
from torch import Tensor

from vqvae_lib.quantum.circuit import Circuit

_GB = 1e9


def check_inputs(circuit: Circuit, z: Tensor, weights: Tensor) -> None:
    """Refuse latent vectors and weights that do not fit the circuit or each other."""
    if (
        isinstance(z, Tensor)
        and isinstance(weights, Tensor)
        and z.ndim == 2
        and z.shape[1] == circuit.latent_dim
        and weights.shape == circuit.weight_shape
        and z.dtype == weights.dtype
        and z.dtype in (torch.float32, torch.float64)
        and z.device == weights.device
    ):
        return
    for name, value in (("z", z), ("weights", weights)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} is a {type(value).__name__}: expected a torch.Tensor")
        if value.dtype not in (torch.float32, torch.float64):
            raise TypeError(
                f"{name} has dtype {value.dtype}: expected torch.float32 or torch.float64"
            )
    if z.ndim != 2 or z.shape[1] != circuit.latent_dim:
        raise ValueError(
            f"z has shape {tuple(z.shape)}: expected (B, {circuit.latent_dim}), the circuit's "
            "latent_dim in the last place"
        )
    if tuple(weights.shape) != circuit.weight_shape:
        raise ValueError(
            f"weights has shape {tuple(weights.shape)}: expected {circuit.weight_shape} "
            "(layers, qubits, 3 angles)"
        )
    if z.dtype != weights.dtype:
        raise TypeError(
            f"z has dtype {z.dtype}, weights {weights.dtype}: expected the same; convert one, "
            "for example by layer.double() or z.float()"
        )
    if z.device != weights.device:
        raise ValueError(f"z is on {z.device}, weights on {weights.device}: expected one device")


def state_gigabytes(n: int, dtype: torch.dtype) -> float:
    """Memory of one state vector of n qubits, in GB: 2**n amplitudes of two numbers."""
    return math.ldexp(2 * dtype.itemsize / _GB, min(n, 1000))


def check_memory(circuit: Circuit, n: int, states: int, dtype: torch.dtype) -> None:
    """Refuse more state vectors of n qubits than this machine can hold."""
    states = max(states, 1)
    one = state_gigabytes(n, dtype)
    if states * one < 0.1 or states * one <= (have := _memory_gigabytes()):
        return
    width = max(circuit.light_cone_widths)
    if one <= have:
        way_out = "Give it fewer samples at a time"
    elif width < n and state_gigabytes(width, dtype) <= have:
        way_out = f"backend='light_cone' computes this circuit from {width} qubits at a time"
    elif circuit.entangler == "brickwork":
        way_out = "Fewer entangling layers make the light cones narrower"
    else:
        way_out = "A circuit with entangler='brickwork' can use light cones instead"
    need = f"{states * one:,.0f}" if n < 60 else f"{states * one:.0e}"
    raise ValueError(
        f"n_qubits={circuit.n_qubits} needs {need} GB for {states} state vector(s) of {n} "
        f"qubits in {dtype}, and this machine has {have:,.0f} GB. {way_out}"
    )


@cache
def _memory_gigabytes() -> float:
    """Memory of this machine in GB."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GB
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 64.0
