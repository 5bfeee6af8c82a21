"""The reference simulator: a circuit, operation by operation, in plain torch.

It is written to be read, and chapter 4 builds it line by line. It runs on any device, in float32
and float64, and can be differentiated as often as torch can. The compiled kernels and the light
cones give the same numbers.

A state of n qubits is a tensor of shape (B, 2**n): amplitude k belongs to the basis state whose
bits are k written in binary, with qubit 0 first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor

from vqvae_lib._checks import (
    check_choice,
    check_count,
    check_instance,
    check_same_length,
    check_sequence,
    check_tensor,
    describe,
)
from vqvae_lib.quantum._checks import (
    AMPLITUDES,
    REAL,
    check_circuit,
    check_inputs,
    check_memory,
    check_numbers,
    check_same_device,
)
from vqvae_lib.quantum.circuit import Circuit, Embed, Entangle, Initial, Operation, Rotate

__all__ = [
    "StateVectorSimulator",
    "apply_gate",
    "bloch_vectors",
    "cnot",
    "cz",
    "embed",
    "entangle",
    "entanglement_entropy",
    "evolve",
    "expectation_x",
    "expectation_z",
    "expectations",
    "initial_state",
    "rot",
    "rotate",
    "rx",
    "ry",
    "rz",
]


# ------------------------------------------------------------------------------------- gates


def ry(angle: Tensor) -> Tensor:
    """RY(t) = exp(-i t Y/2): a rotation by t about y. Angles (...,), gates (..., 2, 2), complex."""
    angle = check_numbers("angle", angle, (...,), REAL)
    c, s = torch.cos(angle / 2), torch.sin(angle / 2)
    return _matrix(c, -s, s, c)


def rx(angle: Tensor) -> Tensor:
    """RX(t) = exp(-i t X/2): a rotation by t about the x axis. Angles (...,), gates (..., 2, 2)."""
    angle = check_numbers("angle", angle, (...,), REAL)
    c, s = torch.cos(angle / 2), -1j * torch.sin(angle / 2)
    return _matrix(c, s, s, c)


def rz(angle: Tensor) -> Tensor:
    """RZ(t) = exp(-i t Z/2): a rotation by t about the z axis. Angles (...,), gates (..., 2, 2)."""
    angle = check_numbers("angle", angle, (...,), REAL)
    phase = torch.exp(-0.5j * angle)
    zero = torch.zeros_like(phase)
    return _matrix(phase, zero, zero, phase.conj())


def rot(angles: Tensor) -> Tensor:
    """Rot(φ, θ, ω) = RZ(ω) RY(θ) RZ(φ). Angles (..., 3), gates (..., 2, 2)."""
    phi, theta, omega = check_numbers("angles", angles, (..., 3), REAL).unbind(-1)
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
        The qubit that it acts on, counted from 0.

    Returns
    -------
    Tensor
        (B, 2**n).
    """
    state, n = check_state(state)
    gate = _check_gate(gate, state)
    a, b = _split(state, n, qubit)  # amplitudes where the qubit is 0, where it is 1
    g = gate[..., None, None]  # (2, 2, 1, 1) or (B, 2, 2, 1, 1)
    g = g.movedim((-4, -3), (0, 1))  # (2, 2, 1, 1) or (2, 2, B, 1, 1)
    zero, one = g[0, 0] * a + g[0, 1] * b, g[1, 0] * a + g[1, 1] * b
    return torch.stack([zero, one], 2).reshape(state.shape)


def cnot(state: Tensor, control: int, target: int) -> Tensor:
    """Flip the target qubit where the control qubit is 1; (B, 2**n) to (B, 2**n)."""
    state, n = check_state(state)
    k = _basis(state, n)
    control, target = _check_pair(n, control, target)
    return state[:, k ^ (_bit(k, n, control) << (n - 1 - target))]


def cz(state: Tensor, control: int, target: int) -> Tensor:
    """Change the sign where both qubits are 1; (B, 2**n) to (B, 2**n)."""
    state, n = check_state(state)
    k = _basis(state, n)
    control, target = _check_pair(n, control, target)
    return state * (1 - 2 * (_bit(k, n, control) & _bit(k, n, target)))


# ------------------------------------------------------------------------------ expectations


def expectation_z(state: Tensor, qubit: int) -> Tensor:
    """⟨Z⟩ of a qubit: the probability of 0 minus that of 1; (B, 2**n) to (B,)."""
    state, n = check_state(state)
    a, b = _split(state, n, qubit)
    return (a.conj() * a - b.conj() * b).real.sum((1, 2))


def expectation_x(state: Tensor, qubit: int) -> Tensor:
    """⟨X⟩ of a qubit: X exchanges the amplitudes a and b, so it is Σ 2 Re(a* b)."""
    state, n = check_state(state)
    a, b = _split(state, n, qubit)
    return 2 * (a.conj() * b).real.sum((1, 2))


def expectations(state: Tensor, qubits: Sequence[int], readout: str) -> Tensor:
    """Compute ⟨Z⟩ and ⟨X⟩ exactly: what measurements of many copies of the state average to.

    Parameters
    ----------
    state
        (B, 2**n).
    qubits
        The qubits to read, counted from 0.
    readout
        One letter per observable, "Z" or "ZX".

    Returns
    -------
    Tensor
        (B, len(qubits) · len(readout)), qubit by qubit.
    """
    observables = {"Z": expectation_z, "X": expectation_x}
    if not isinstance(readout, str) or not readout:
        raise ValueError(f"readout={readout!r}: expected one letter per observable, such as 'ZX'")
    chosen = [
        observables[check_choice(f"readout[{i}]", o, observables)] for i, o in enumerate(readout)
    ]
    state, n = check_state(state)
    qubits = check_sequence("qubits", qubits, "qubits to read, such as [0, 1]", least=1)
    for i, qubit in enumerate(qubits):
        check_count(f"qubits[{i}]", qubit, least=0, most=n - 1)
    return torch.stack([observable(state, q) for q in qubits for observable in chosen], 1)


def bloch_vectors(state: Tensor) -> Tensor:
    """(⟨X⟩, ⟨Y⟩, ⟨Z⟩) of each qubit: (B, 2**n) to (B, n, 3)."""
    state, n = check_state(state)
    state = state.to(state.dtype.to_complex())
    vectors = []
    for qubit in range(n):
        a, b = _split(state, n, qubit)
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


# --------------------------------------------------------------------------------- operations


def initial_state(kind: Initial, n: int, *, like: Tensor) -> Tensor:
    """Make the state of n qubits that a circuit begins with.

    Parameters
    ----------
    kind
        "zero" for all qubits 0, "superposition" for equal amplitudes everywhere.
    n
        Number of qubits.
    like
        Latent vectors (B, d): one state for each, on the same device and in the same precision.

    Returns
    -------
    Tensor
        (B, 2**n), complex.
    """
    check_choice("kind", kind, get_args(Initial))
    n = check_count("n", n)
    like = check_numbers("like", like, ("B", "d"), REAL)
    check_memory(None, n, len(like), like.dtype)
    shape, dtype = (len(like), 2**n), like.dtype.to_complex()
    if kind == "superposition":
        return torch.full(shape, 2 ** (-n / 2), dtype=dtype, device=like.device)
    state = torch.zeros(shape, dtype=dtype, device=like.device)
    state[:, 0] = 1
    return state


def evolve(state: Tensor, operations: Sequence[Operation], z: Tensor, weights: Tensor) -> Tensor:
    """Carry out operations, one after the other.

    Parameters
    ----------
    state
        (B, 2**n), such as `initial_state` makes.
    operations
        `Circuit.operations`, or those inside a window of n of its qubits.
    z
        (B, n) or (B, 2n), latent coordinates of these qubits.
    weights
        (layers, n, 3), angles in radians; or (layers, n, B, 3), a set for each sample.

    Returns
    -------
    Tensor
        (B, 2**n).
    """
    state, n = check_state(state)
    check_same_device("state", state, "weights", weights)
    weights = check_tensor("weights", weights, ("layers", n, ...), like=state.real)
    if weights.shape[2:] not in ((3,), (len(state), 3)):
        raise ValueError(
            f"weights has shape {tuple(weights.shape)}: expected (layers, {n}, 3), or (layers, "
            f"{n}, {len(state)}, 3) for angles of each sample's own"
        )
    for operation in check_sequence("operations", operations, "a list, as Circuit.operations()"):
        match operation:
            case Embed():
                state = embed(state, operation, z)
            case Rotate(row):
                if row >= len(weights):
                    raise ValueError(
                        f"weights has {len(weights)} layers, and operations holds Rotate({row}): "
                        f"expected at least {row + 1}"
                    )
                state = rotate(state, weights[row])
            case Entangle():
                state = entangle(state, operation)
            case _:
                raise TypeError(
                    f"operations holds {describe(operation)}: expected Embed, Rotate or Entangle"
                )
    return state


def embed(state: Tensor, operation: Embed, z: Tensor) -> Tensor:
    """Turn every qubit by its k latent coordinates: (B, 2**n), z (B, k·n), to (B, 2**n)."""
    gates = {"RX": rx, "RY": ry, "RZ": rz}
    state, n = check_state(state)
    k = len(check_instance("operation", operation, Embed, "an Embed").gates)
    check_same_device("state", state, "z", z)
    z = check_tensor("z", z, ("B", k * n), like=state.real)
    check_same_length("z", z, "state", state)
    angles = operation.scale * z.reshape(len(z), n, k)  # (B, n, k)
    for qubit, own in enumerate(angles.unbind(1)):
        for name, angle in zip(operation.gates, own.unbind(1), strict=True):  # (B,)
            state = apply_gate(state, gates[name](angle), qubit)
    return state


def rotate(state: Tensor, angles: Tensor) -> Tensor:
    """Turn every qubit by Rot: (B, 2**n), angles (n, 3) or (n, B, 3), to (B, 2**n)."""
    state, n = check_state(state)
    check_same_device("state", state, "angles", angles)
    angles = check_tensor("angles", angles, (..., 3), like=state.real)
    if angles.shape not in ((n, 3), (n, len(state), 3)):
        raise ValueError(
            f"angles has shape {tuple(angles.shape)}: expected ({n}, 3), or ({n}, {len(state)}, 3) "
            "for angles of each sample's own"
        )
    for qubit, gate in enumerate(rot(angles)):  # (2, 2) or (B, 2, 2)
        state = apply_gate(state, gate, qubit)
    return state


def entangle(state: Tensor, operation: Entangle) -> Tensor:
    """Apply a layer of two-qubit gates, pair by pair: (B, 2**n) to (B, 2**n)."""
    gates = {"CNOT": cnot, "CZ": cz}
    check_instance("operation", operation, Entangle, "an Entangle")
    gate = gates[check_choice("gate", operation.gate, gates)]
    state, _ = check_state(state)
    for control, target in operation.pairs:
        state = gate(state, control, target)
    return state


class StateVectorSimulator:
    """Backend that keeps all 2**n amplitudes: the reference for every other one.

    Parameters
    ----------
    circuit
        Settles the operations, their order and what is read out.

    Raises
    ------
    ValueError
        If one state does not fit into this machine's memory or, when called, a batch of them.
    """

    name = "statevector"

    def __init__(self, circuit: Circuit) -> None:
        check_memory(check_circuit(circuit), circuit.n_qubits, 1, torch.float32)
        self.circuit = circuit

    def __call__(self, z: Tensor, weights: Tensor) -> Tensor:
        """Features (B, m) of latent vectors (B, d), with weights `Circuit.weight_shape`."""
        state = self.state(z, weights)
        return expectations(state, range(self.circuit.n_qubits), self.circuit.readout)

    def state(self, z: Tensor, weights: Tensor) -> Tensor:
        """Compute the final state (B, 2**n), before the readout; arguments as in a call."""
        circuit, n = self.circuit, self.circuit.n_qubits
        z, weights = check_inputs(circuit, z, weights)
        check_memory(circuit, n, len(z), z.dtype)
        state = initial_state(circuit.initial, n, like=z)
        return evolve(state, circuit.operations(), z, weights)


# ------------------------------------------------------------------------------ indices, checks


def check_state(state: Tensor) -> tuple[Tensor, int]:
    """Return states (B, 2**n) and n; ValueError or TypeError for anything else."""
    state = check_numbers("state", state, (...,), AMPLITUDES)
    size = state.shape[1] if state.ndim == 2 else 0
    if size < 2 or size & (size - 1):
        raise ValueError(
            f"state has shape {tuple(state.shape)}: expected (B, 2**n), one amplitude for each "
            "basis state of n qubits"
        )
    return state, size.bit_length() - 1


def _basis(state: Tensor, n: int) -> Tensor:
    """Numbers k of the basis states, (2**n,)."""
    return torch.arange(2**n, device=state.device)


def _bit(k: Tensor, n: int, qubit: int) -> Tensor:
    """Bits, 0 or 1, that belong to a qubit in the numbers k of n bits: qubit 0 comes first."""
    return (k >> (n - 1 - qubit)) & 1


def _split(state: Tensor, n: int, qubit: int) -> tuple[Tensor, Tensor]:
    """Amplitudes where a qubit is 0 and where it is 1: each (B, 2**qubit, 2**(n - 1 - qubit))."""
    qubit = check_count("qubit", qubit, least=0, most=n - 1)
    zero, one = state.reshape(len(state), 2**qubit, 2, 2 ** (n - 1 - qubit)).unbind(2)
    return zero, one


def _check_gate(gate: Tensor, state: Tensor) -> Tensor:
    """Return a gate, or one for each sample, that fits the states."""
    gate = check_numbers("gate", gate, (..., 2, 2), AMPLITUDES)
    check_same_device("state", state, "gate", gate)
    if gate.shape not in ((2, 2), (len(state), 2, 2)):
        raise ValueError(
            f"gate has shape {tuple(gate.shape)} and state {tuple(state.shape)}: expected a gate "
            f"(2, 2), or ({len(state)}, 2, 2) for each sample's own"
        )
    return gate


def _check_pair(n: int, control: int, target: int) -> tuple[int, int]:
    """Return control and target of a two-qubit gate: two different qubits that are there."""
    control = check_count("control", control, least=0, most=n - 1)
    target = check_count("target", target, least=0, most=n - 1)
    if control == target:
        raise ValueError(f"control={control} and target={target}: expected two different qubits")
    return control, target
