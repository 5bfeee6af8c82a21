"""Exact expectation values of circuits far too wide for a state vector.

In a brickwork circuit, ⟨O_i⟩ depends only on the gates in the *light cone* of qubit i: walking back
from the measurement, each entangling layer takes in at most one neighbour on either side. All
other gates of the circuit G cancel against their own inverses in ⟨start|G† O_i G|start⟩. So the
features of n qubits come from about n/2 small simulations, as wide as the cone, and the cost of a
call grows linearly with n.

A `Window` is one such simulation. Its operations are those of the circuit between neighbouring
qubits of the window, with qubits renumbered from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from vqvae_lib.quantum._checks import check_inputs, check_memory
from vqvae_lib.quantum.circuit import Circuit, Entangle, Operation
from vqvae_lib.quantum.statevector import evolve, measure

__all__ = ["LightCone", "Window", "cones", "cost", "whole"]


# What a window costs besides its gates, in amplitudes times gates; measured at n = 8 to 11.
_EACH = 5000


@dataclass(frozen=True)
class Window:
    """A part of a circuit that is simulated on its own.

    Attributes
    ----------
    first
        Its first qubit, in the circuit.
    width
        Its number of qubits.
    targets
        Those of its qubits that are measured, counted from `first`.
    operations
        What acts inside, with qubits counted from `first`.
    """

    first: int
    width: int
    targets: tuple[int, ...]
    operations: tuple[Operation, ...]

    @property
    def pattern(self) -> tuple[int, tuple[int, ...], tuple[Operation, ...]]:
        """All but the place: windows of one pattern differ only in their data and weights."""
        return self.width, self.targets, self.operations


def whole(circuit: Circuit) -> tuple[Window, ...]:
    """One window that holds the whole circuit: an ordinary state vector."""
    n = circuit.n_qubits
    return (Window(0, n, tuple(range(n)), tuple(circuit.operations())),)


@lru_cache(maxsize=16)
def cones(circuit: Circuit) -> tuple[Window, ...]:
    """Windows that together measure every qubit, each as wide as a light cone.

    Qubits of one last gate share a cone, and so a window.
    """
    operations = circuit.operations()
    measured: dict[range, list[int]] = {}
    for qubit in range(circuit.n_qubits):
        measured.setdefault(circuit.light_cone(qubit), []).append(qubit)
    return tuple(
        Window(
            window.start,
            len(window),
            tuple(qubit - window.start for qubit in qubits),
            _inside(operations, window),
        )
        for window, qubits in measured.items()
    )


def cost(windows: Sequence[Window]) -> int:
    """Amplitudes times gates, and what a window costs by itself: to compare ways of cutting up."""
    return sum((len(w.operations) * w.width << w.width) + _EACH for w in windows)


def _inside(operations: list[Operation], window: range) -> tuple[Operation, ...]:
    """Select the operations inside the window; qubits are then counted from its first."""
    low = window.start
    inside: list[Operation] = []
    for operation in operations:
        if isinstance(operation, Entangle):
            pairs = [(i - low, j - low) for i, j in operation.pairs if i in window and j in window]
            if not pairs:
                continue
            operation = Entangle(tuple(pairs))
        inside.append(operation)
    return tuple(inside)


class LightCone:
    """Backend: ``backend(z, weights) -> features``, window by window.

    Parameters
    ----------
    circuit
        The circuit.
    compiled
        Whether the windows run by the compiled kernels where they can (on the CPU). They have
        first derivatives only; plain torch has all.

    Raises
    ------
    ValueError
        If the widest light cone does not fit into this machine's memory.
    """

    name = "light_cone"

    def __init__(self, circuit: Circuit, *, compiled: bool = True) -> None:
        self.circuit = circuit
        self.windows = cones(circuit)
        self.width = max(window.width for window in self.windows)
        check_memory(circuit, self.width, 1, torch.float32)
        self._compiled = None
        if compiled:
            from vqvae_lib.quantum.compiled import Compiled

            self._compiled = Compiled(circuit, self.windows)

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), with weights `circuit.weight_shape`."""
        check_inputs(self.circuit, z, weights)
        if self._compiled is not None and z.device.type == "cpu":
            return self._compiled(z, weights)
        check_memory(self.circuit, self.width, len(z), z.dtype)
        angles, readout = self.circuit.angles_per_qubit, self.circuit.readout
        features: dict[int, Tensor] = {}  # (B, len(readout)) of each qubit
        for window in self.windows:
            first, last = window.first, window.first + window.width
            state = evolve(
                self.circuit,
                window.operations,
                z[:, angles * first : angles * last],
                weights[:, first:last],
            )  # (B, 2**width)
            for target in window.targets:
                features[first + target] = measure(state, [target], readout)
        return torch.cat([features[qubit] for qubit in range(self.circuit.n_qubits)], 1)
