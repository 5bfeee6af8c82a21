"""The reference simulator: a circuit, gate by gate, in plain torch.

It is written to be read, and chapter 4 builds it line by line. It runs on any device, in float32
and float64, and can be differentiated as often as torch can. The compiled backend and the light
cones give the same numbers.

A state of n qubits is a tensor of shape (B, 2**n): amplitude k belongs to the basis state whose
bits are k written in binary, with qubit 0 first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vqvae_lib.quantum._checks import check_inputs, check_memory
from vqvae_lib.quantum.circuit import Circuit, Embed, Entangle, Operation, Rotate

__all__ = [
    "StateVector",
    "apply_gate",
    "apply_operation",
    "bloch_vectors",
    "cnot",
    "cz",
    "entanglement_entropy",
    "evolve",
    "expectation_x",
    "expectation_z",
    "initial_state",
    "measure",
    "rot",
    "rx",
    "ry",
    "rz",
]


# ------------------------------------------------------------------------------------- gates


def ry(angle: Tensor) -> Tensor:
    """RY(t): a rotation by t about the y axis. Angles (...,), gates (..., 2, 2), complex."""
    c, s = torch.cos(angle / 2), torch.sin(angle / 2)
    return _matrix(c, -s, s, c)


def rx(angle: Tensor) -> Tensor:
    """RX(t): a rotation by t about the x axis. Angles (...,), gates (..., 2, 2)."""
    c, s = torch.cos(angle / 2), -1j * torch.sin(angle / 2)
    return _matrix(c, s, s, c)


def rz(angle: Tensor) -> Tensor:
    """RZ(t): a rotation by t about the z axis. Angles (...,), gates (..., 2, 2)."""
    phase = torch.exp(-0.5j * angle)
    zero = torch.zeros_like(phase)
    return _matrix(phase, zero, zero, phase.conj())


def rot(angles: Tensor) -> Tensor:
    """Rot(φ, θ, ω) = RZ(ω) RY(θ) RZ(φ). Angles (..., 3), gates (..., 2, 2)."""
    phi, theta, omega = angles.unbind(-1)
    return rz(omega) @ ry(theta) @ rz(phi)


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Entries (...,) of the rows (a, b) and (c, d), as complex matrices (..., 2, 2)."""
    rows = torch.stack([torch.stack([a, b], -1), torch.stack([c, d], -1)], -2)
    return rows if rows.is_complex() else torch.complex(rows, torch.zeros_like(rows))


def apply_gate(state: Tensor, gate: Tensor, qubit: int) -> Tensor:
    """Apply a one-qubit gate.

    Parameters
    ----------
    state
        (B, 2**n).
    gate
        (2, 2), the same for all samples, or (B, 2, 2), one for each.
    qubit
        Which qubit, counted from 0.

    Returns
    -------
    Tensor
        (B, 2**n).
    """
    a, b = _split(state, qubit)  # amplitudes where the qubit is 0, where it is 1
    g = gate[..., None, None]  # (2, 2, 1, 1) or (B, 2, 2, 1, 1)
    g = g.movedim((-4, -3), (0, 1))  # (2, 2, 1, 1) or (2, 2, B, 1, 1)
    zero, one = g[0, 0] * a + g[0, 1] * b, g[1, 0] * a + g[1, 1] * b
    return torch.stack([zero, one], 2).reshape(state.shape)


def cnot(state: Tensor, control: int, target: int) -> Tensor:
    """Flip the target qubit where the control qubit is 1; (B, 2**n) to (B, 2**n)."""
    k, n = _basis(state)
    controlled = k >> (n - 1 - control) & 1
    return state[:, k ^ (controlled << (n - 1 - target))]


def cz(state: Tensor, control: int, target: int) -> Tensor:
    """Change the sign where both qubits are 1; (B, 2**n) to (B, 2**n)."""
    k, n = _basis(state)
    both = k >> (n - 1 - control) & k >> (n - 1 - target) & 1
    return state * (1 - 2 * both)


# -------------------------------------------------------------------------------- measurement


def expectation_z(state: Tensor, qubit: int) -> Tensor:
    """⟨Z⟩ of a qubit: the probability of 0 minus that of 1; (B, 2**n) to (B,)."""
    a, b = _split(state, qubit)
    return (a.conj() * a - b.conj() * b).real.sum((1, 2))


def expectation_x(state: Tensor, qubit: int) -> Tensor:
    """⟨X⟩ of a qubit: X exchanges the amplitudes a and b, so it is Σ 2 Re(a* b)."""
    a, b = _split(state, qubit)
    return 2 * (a.conj() * b).real.sum((1, 2))


def bloch_vectors(state: Tensor) -> Tensor:
    """(⟨X⟩, ⟨Y⟩, ⟨Z⟩) of each qubit: (B, 2**n) to (B, n, 3)."""
    vectors = []
    for qubit in range(_basis(state)[1]):
        a, b = _split(state, qubit)
        overlap = 2 * (a.conj() * b).sum((1, 2))  # ⟨X⟩ + i⟨Y⟩
        vectors.append(torch.stack([overlap.real, overlap.imag, expectation_z(state, qubit)], 1))
    return torch.stack(vectors, 1)


def entanglement_entropy(state: Tensor) -> Tensor:
    """Entropy of each qubit's own state, in bits: 0 where it is entangled with no other, up to 1.

    A qubit whose Bloch vector has length r is in one of two states with probabilities (1 ± r)/2.

    Parameters
    ----------
    state
        (B, 2**n).

    Returns
    -------
    Tensor
        (B, n).
    """
    r = bloch_vectors(state).norm(dim=2).clamp(max=1)  # (B, n)
    p = torch.stack([(1 + r) / 2, (1 - r) / 2])  # (2, B, n)
    return -torch.special.xlogy(p, p).sum(0) / math.log(2)


# --------------------------------------------------------------------------------- the circuit


def initial_state(circuit: Circuit, B: int, n: int, *, like: Tensor) -> Tensor:
    """Make the state that a circuit begins with, on n of its qubits, (B, 2**n).

    It has the complex dtype that belongs to `like`, and lies on its device.
    """
    dtype = torch.complex64 if like.dtype == torch.float32 else torch.complex128
    state = torch.zeros(B, 2**n, dtype=dtype, device=like.device)
    if circuit.initial == "superposition":
        return state + 2 ** (-n / 2)
    state[:, 0] = 1
    return state


def evolve(
    circuit: Circuit,
    operations: Sequence[Operation],
    z: Tensor,
    weights: Tensor,
    state: Tensor | None = None,
) -> Tensor:
    """Carry out a list of operations.

    Parameters
    ----------
    circuit
        Tells initial state, embedding, scale and gate.
    operations
        `circuit.operations()`, or those inside a window of n of its qubits.
    z
        (B, n) or (B, 2n), latent coordinates of these qubits.
    weights
        (layers, n, 3), angles in radians; or (layers, n, B, 3), a set for each sample.
    state
        (B, 2**n), what to begin with; None: the circuit's initial state.

    Returns
    -------
    Tensor
        (B, 2**n), complex.
    """
    n = weights.shape[1]
    if state is None:
        state = initial_state(circuit, len(z), n, like=z)
    for operation in operations:
        if isinstance(operation, Embed):
            state = _embed(circuit, state, z)
        else:
            state = apply_operation(state, operation, weights, circuit.gate)
    return state


def _embed(circuit: Circuit, state: Tensor, z: Tensor) -> Tensor:
    """Turn every qubit by its latent coordinates: (B, 2**n) to (B, 2**n)."""
    per_qubit = circuit.angles_per_qubit
    angles = circuit.angle_scale * z.reshape(len(z), z.shape[1] // per_qubit, per_qubit)
    first = rx if circuit.embedding == "RX" else ry
    for qubit, turns in enumerate(angles.unbind(1)):
        state = apply_gate(state, first(turns[:, 0]), qubit)
        if circuit.embedding == "RY+RZ":
            state = apply_gate(state, rz(turns[:, 1]), qubit)
    return state


def apply_operation(
    state: Tensor, operation: Rotate | Entangle, weights: Tensor, gate: str = "CNOT"
) -> Tensor:
    """Apply a layer of rotations or of entangling gates.

    Parameters
    ----------
    state
        (B, 2**n).
    operation
        Which.
    weights
        (layers, n, 3), angles in radians; or (layers, n, B, 3), a set for each sample.
    gate
        The entangling gate, "CNOT" or "CZ".

    Returns
    -------
    Tensor
        (B, 2**n).
    """
    match operation:
        case Rotate(row):
            for qubit, turn in enumerate(rot(weights[row])):  # (n, 2, 2) or (n, B, 2, 2)
                state = apply_gate(state, turn, qubit)
        case Entangle(pairs):
            entangle = cnot if gate == "CNOT" else cz
            for control, target in pairs:
                state = entangle(state, control, target)
    return state


def measure(state: Tensor, qubits: Sequence[int], readout: str) -> Tensor:
    """Measure some qubits: (B, 2**n) to (B, len(qubits) · len(readout))."""
    observables = {"Z": expectation_z, "X": expectation_x}
    return torch.stack([observables[o](state, q) for q in qubits for o in readout], 1)


class StateVector:
    """Backend: ``backend(z, weights) -> features``, by the reference simulator.

    Parameters
    ----------
    circuit
        The circuit.

    Raises
    ------
    ValueError
        If one state does not fit into this machine's memory, or later a batch of them.
    """

    name = "statevector"

    def __init__(self, circuit: Circuit) -> None:
        check_memory(circuit, circuit.n_qubits, 1, torch.float32)
        self.circuit = circuit

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), with weights `circuit.weight_shape`."""
        check_inputs(self.circuit, z, weights)
        check_memory(self.circuit, self.circuit.n_qubits, len(z), z.dtype)
        state = evolve(self.circuit, self.circuit.operations(), z, weights)
        return measure(state, range(self.circuit.n_qubits), self.circuit.readout)


def _split(state: Tensor, qubit: int) -> tuple[Tensor, Tensor]:
    """Amplitudes where a qubit is 0 and where it is 1: each (B, 2**qubit, 2**(n - 1 - qubit))."""
    left = 2**qubit
    a, b = state.reshape(len(state), left, 2, state.shape[1] // (2 * left)).unbind(2)
    return a, b


def _basis(state: Tensor) -> tuple[Tensor, int]:
    """Numbers k of the basis states, (2**n,), and n. Bit n - 1 - q of k belongs to qubit q."""
    size = state.shape[1]
    return torch.arange(size, device=state.device), size.bit_length() - 1
