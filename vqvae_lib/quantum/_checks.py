"""What every backend asks of its input, and what a state vector costs."""

from __future__ import annotations

import math
import os
from functools import cache

import torch
from torch import Tensor

from vqvae_lib._checks import check_tensor
from vqvae_lib.quantum.circuit import Circuit

_GB = 1e9
_REAL = (torch.float32, torch.float64)


def check_inputs(circuit: Circuit, z: Tensor, weights: Tensor) -> None:
    """Refuse latent vectors and weights that do not fit the circuit or each other."""
    check_tensor("z", z, ("B", circuit.latent_dim), dtype=_REAL, least=0)
    check_tensor("weights", weights, circuit.weight_shape, dtype=_REAL)
    if z.dtype != weights.dtype or z.device != weights.device:
        raise ValueError(
            f"z is {z.dtype} on {z.device}, weights are {weights.dtype} on {weights.device}: "
            "expected the same; convert one of them, as by layer.to(z) or z.to(layer.weights)"
        )


def state_gigabytes(n: int, dtype: torch.dtype) -> float:
    """Memory of one state vector of n qubits, in GB: 2**n amplitudes of two numbers."""
    return math.ldexp(2 * dtype.itemsize / _GB, min(n, 1000))


def check_memory(circuit: Circuit, n: int, states: int, dtype: torch.dtype) -> None:
    """Refuse more state vectors of n qubits than this machine can hold."""
    states = max(states, 1)
    one = state_gigabytes(n, dtype)
    if states * one < 0.1 or states * one <= (available := _memory_gigabytes()):
        return
    width = max(circuit.light_cone_widths)
    if one <= available:
        remedy = "Give it fewer samples at a time"
    elif width < n and state_gigabytes(width, dtype) <= available:
        remedy = f"backend='light_cone' computes this circuit from {width} qubits at a time"
    elif circuit.entangler == "brickwork":
        remedy = "Fewer entangling layers make the light cones narrower"
    else:
        remedy = "A circuit with entangler='brickwork' can use light cones instead"
    need = f"{states * one:,.0f}" if n < 60 else f"{states * one:.0e}"
    raise ValueError(
        f"n_qubits={circuit.n_qubits} needs {need} GB for {states} state vector(s) of {n} "
        f"qubits in {dtype}, and this machine has {available:,.0f} GB. {remedy}"
    )


@cache
def _memory_gigabytes() -> float:
    """Memory of this machine in GB."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GB
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 64.0
