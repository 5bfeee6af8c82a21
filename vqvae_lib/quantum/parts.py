"""A circuit taken apart: quantum encoder, quantum space, quantum decoder, one after the other.

The fast backends run a circuit as a whole. Here its three parts are run by the reference
simulator, so that the states between them can be looked at:

    z (B, d) -> quantum encoder -> (B, 2**n) -> quantum space -> (B, 2**n) -> quantum decoder
    -> features (B, m)
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vqvae_lib._checks import check_instance, check_same_length
from vqvae_lib.quantum._checks import (
    AMPLITUDES,
    check_inputs,
    check_memory,
    check_numbers,
    check_same_device,
)
from vqvae_lib.quantum.circuit import Circuit, Operation, Part
from vqvae_lib.quantum.layer import QuantumLayer
from vqvae_lib.quantum.pennylane_backend import draw
from vqvae_lib.quantum.statevector import evolve, expectations, initial_state

__all__ = ["QuantumDecoder", "QuantumEncoder", "QuantumSpace"]


class _CircuitPart:
    """What the three have in common: a layer, whose weights they share, and their operations.

    Parameters
    ----------
    layer
        The whole circuit as a layer.
    """

    name: Part

    def __init__(self, layer: QuantumLayer) -> None:
        self.layer = check_instance("layer", layer, QuantumLayer, "a QuantumLayer")

    @property
    def circuit(self) -> Circuit:
        """The whole circuit."""
        return self.layer.circuit

    @property
    def operations(self) -> list[Operation]:
        """What the part does, in order."""
        return self.circuit.operations(self.name)

    def draw(self, *, figure: bool = False) -> Any:
        """Draw the part, as `vqvae_lib.quantum.draw` does the whole."""
        return draw(self.circuit, part=self.name, figure=figure)

    def __repr__(self) -> str:
        row = f"quantum {self.name}"
        return f"{row} {self.circuit.rows()[row]}"

    def _run(self, state: Tensor, z: Tensor | None = None) -> Tensor:
        """Carry states (B, 2**n) through the part, which may not read z."""
        circuit = self.circuit
        state = check_numbers("state", state, ("B", 2**circuit.n_qubits), AMPLITUDES)
        check_same_device("state", state, "weights", self.layer.weights)
        if z is None:
            z = self.layer.weights.new_zeros(len(state), circuit.latent_dim)
        z, weights = check_inputs(circuit, z, self.layer.weights)
        check_same_length("z", z, "state", state)
        return evolve(state, self.operations, z, weights)


class QuantumEncoder(_CircuitPart):
    """S(z): makes a quantum state of a latent vector."""

    name: Part = "encoder"

    def __call__(self, z: Tensor) -> Tensor:
        """Encode latent vectors, (B, d), in states, (B, 2**n)."""
        circuit = self.circuit
        z, _ = check_inputs(circuit, z, self.layer.weights)
        check_memory(circuit, circuit.n_qubits, len(z), z.dtype)
        return self._run(initial_state(circuit.initial, circuit.n_qubits, like=z), z)


class QuantumSpace(_CircuitPart):
    """U: turns and entangles the qubits, by weights that are trained."""

    name: Part = "space"

    def __call__(self, state: Tensor, z: Tensor | None = None) -> Tensor:
        """Carry states (B, 2**n) on; `z` (B, d) is needed where the circuit uploads it again."""
        if not self.circuit.reupload:
            return self._run(state)
        if z is None:
            raise ValueError("z is missing: with reupload=True it enters the quantum space again")
        return self._run(state, z)


class QuantumDecoder(_CircuitPart):
    """V and the measurement: from states back to numbers."""

    name: Part = "decoder"

    def before_measurement(self, state: Tensor) -> Tensor:
        """Carry out V alone: states (B, 2**n) to states."""
        return self._run(state)

    def __call__(self, state: Tensor) -> Tensor:
        """Measure states (B, 2**n): features (B, m), expectation values between -1 and 1."""
        state = self.before_measurement(state)
        return expectations(state, range(self.circuit.n_qubits), self.circuit.readout)
