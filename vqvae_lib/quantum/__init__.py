"""Variational circuits: one description, four ways to run it, the same numbers from each.

`Circuit` says what is computed, a backend computes it, and `QuantumLayer` puts both into a torch
model. numba and PennyLane are loaded when they are first needed.
"""

from vqvae_lib.quantum.backends import Backend
from vqvae_lib.quantum.circuit import Circuit
from vqvae_lib.quantum.layer import QuantumLayer
from vqvae_lib.quantum.light_cone import LightCone
from vqvae_lib.quantum.pennylane_backend import PennyLane, draw
from vqvae_lib.quantum.statevector import StateVectorSimulator

__all__ = [
    "Backend",
    "Circuit",
    "LightCone",
    "PennyLane",
    "QuantumLayer",
    "StateVectorSimulator",
    "draw",
]
