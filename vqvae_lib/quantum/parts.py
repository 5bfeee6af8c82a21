"""A circuit taken apart: quantum encoder, quantum space, quantum decoder, one after the other.

The fast backends run a circuit as a whole. Here its three parts are run by the reference
simulator, so that the states between them can be looked at:

    z (B, d) -> quantum encoder -> (B, 2**n) -> quantum space -> (B, 2**n) -> quantum decoder
    -> features (B, m)
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vqvae_lib.quantum._checks import check_inputs, check_memory
from vqvae_lib.quantum.circuit import Circuit, Operation
from vqvae_lib.quantum.layer import QuantumLayer
from vqvae_lib.quantum.pennylane_backend import draw
from vqvae_lib.quantum.statevector import evolve, measure

__all__ = ["QuantumDecoder", "QuantumEncoder", "QuantumSpace"]


class _Part:
    """What the three have in common: a layer, whose weights they share, and a list of operations.

    Parameters
    ----------
    layer
        The circuit as a layer.
    """

    name: str
    place: int  # of the part in the circuit

    def __init__(self, layer: QuantumLayer) -> None:
        self.layer = layer

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

    def _run(self, z: Tensor | None, state: Tensor | None) -> Tensor:
        circuit, weights = self.circuit, self.layer.weights
        rows = len(z) if z is not None else len(state)  # type: ignore[arg-type]
        check_memory(circuit, circuit.n_qubits, rows, weights.dtype)
        if z is not None:
            check_inputs(circuit, z, weights)
        if state is not None and (state.ndim != 2 or state.shape[1] != 2**circuit.n_qubits):
            raise ValueError(
                f"state has shape {tuple(state.shape)}: expected (B, {2**circuit.n_qubits}), the "
                f"amplitudes of {circuit.n_qubits} qubits"
            )
        if z is not None and state is not None and len(z) != len(state):
            raise ValueError(f"z has {len(z)} rows and state {len(state)}: expected one for each")
        if z is None:
            z = weights.new_zeros(rows, circuit.latent_dim or 0)  # not looked at
        return evolve(circuit, self.operations, z, weights, state)


class QuantumEncoder(_Part):
    """S(z): makes a quantum state of a latent vector."""

    name, place = "encoder", 0

    def __call__(self, z: Tensor) -> Tensor:
        """Encode latent vectors, (B, d), in states, (B, 2**n)."""
        return self._run(z, None)


class QuantumSpace(_Part):
    """U: turns and entangles the qubits, by weights that are trained."""

    name, place = "space", 1

    def __call__(self, state: Tensor, z: Tensor | None = None) -> Tensor:
        """Carry states (B, 2**n) on; `z` (B, d) is needed where the circuit uploads it again."""
        if self.circuit.reupload and z is None:
            raise ValueError("z is missing: with reupload=True it enters the quantum space again")
        return self._run(z if self.circuit.reupload else None, state)


class QuantumDecoder(_Part):
    """V and the measurement: from states back to numbers."""

    name, place = "decoder", 2

    def before_measurement(self, state: Tensor) -> Tensor:
        """Carry out V alone: states (B, 2**n) to states."""
        return self._run(None, state)

    def __call__(self, state: Tensor) -> Tensor:
        """Measure states (B, 2**n): features (B, m), expectation values between -1 and 1."""
        state = self.before_measurement(state)
        return measure(state, range(self.circuit.n_qubits), self.circuit.readout)
