"""A circuit in normal form: a product state, then steps of one kind, then a readout.

A Rot gate is RZ RY RZ, an RX gate is RZ(-π/2) RY RZ(π/2). Written out like this, a circuit is a
row of RY, RZ and two-qubit gates, most of which need not be carried out one by one:

- Everything before the first entangling gate acts on single qubits: it only decides which
  *product state* the simulation starts from.
- CNOT permutes the amplitudes, CZ flips signs, RZ multiplies by phases. All that stands between
  two layers of RY is therefore one permutation and one diagonal:
  ψ'[k] = phase[k] ψ[source[k]], where
  phase[k] = sign[k] exp(-i/2 (Σ_q z_q(source[k]) before_q + Σ_q z_q(k) after_q)), with the angles
  of the RZ before and after the permutation and z_q(k) = ±1 the eigenvalue of Z_q. The phases
  hold for the whole batch: they are computed once per call.
- A Rot gate after the last entangling gate turns the Bloch vector (⟨X⟩, ⟨Y⟩, ⟨Z⟩) of its qubit,
  three numbers, and never touches the 2**n amplitudes.
- A permutation after the last RY layer, read out in Z, permutes probabilities: `order`.

So a *step* is [data phase] → gather with phases → RY on a range of qubits. RY, on real and
imaginary parts alike, is most of the arithmetic: it acts qubit by qubit, all else once per step.

Amplitude k of n qubits has qubit q at bit n - 1 - q of k, as in PennyLane.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from vqvae_lib.quantum.circuit import Circuit, Entangle, Operation, Rotate

__all__ = ["Program", "compile_program", "pack_program", "unpack_program"]

# In place of a row of weights: no row, and the data.
NOTHING, DATA = -1, -2

STEP = np.dtype(
    [
        ("data_phase", np.int64),  # whether the data's RZ acts first
        ("before", np.int64),  # row of weights whose ω acts before the permutation
        ("before_angle", np.float64),  # constant angle before it
        ("after", np.int64),  # row of weights whose φ acts after it
        ("after_angle", np.float64),
        ("turn", np.int64),  # row of weights whose θ turns, or DATA
        ("low", np.int64),  # the bits [low, high) turn
        ("high", np.int64),
    ]
)


class Program(NamedTuple):
    """A circuit on n qubits in normal form; S steps, N = 2**n amplitudes, T qubits read."""

    n: int  # qubits
    angles: int  # latent coordinates per qubit, 1 or 2
    start_cos: float  # half angle of the RY that makes the initial state from |0>
    start_sin: float
    start_angle: float  # constant angle of the RZ after the embedding's RY
    start_row: int  # row of weights whose φ and θ belong to the product state, or NOTHING
    steps: np.ndarray  # (S,) of STEP
    source: np.ndarray  # (S, N) int32: where amplitude k comes from
    sign: np.ndarray  # (S, N) int8: of the CZ gates
    bits: np.ndarray  # (T,) bits that are read
    low: int  # all of them lie in [low, high)
    high: int
    order: np.ndarray  # (N,) int32: permutation of the probabilities; empty: read Bloch vectors
    last_row: int  # row of weights that turns the Bloch vectors, or NOTHING
    x_too: bool  # whether <X> is read besides <Z>


# How a program begins that is packed into one array: its numbers, and the lengths of its arrays.
_HEAD = np.dtype(
    [
        *((name, np.int64) for name in ("n", "angles", "start_row", "last_row", "x_too")),
        *((name, np.int64) for name in ("low", "high")),
        *((name, np.float64) for name in ("start_cos", "start_sin", "start_angle")),
        *((name, np.int64) for name in ("steps", "bits", "order")),
    ]
)
_HEAD_BYTES, _STEP_BYTES = _HEAD.itemsize, STEP.itemsize


def pack_program(program: Program) -> np.ndarray:
    """Write a program into one array of bytes: a kernel takes one argument sooner than sixteen."""
    head = np.zeros(1, _HEAD)
    for name in _HEAD.fields or ():
        value = getattr(program, name)
        head[name] = len(value) if isinstance(value, np.ndarray) else value
    arrays = (head, program.steps, program.bits, program.source, program.order, program.sign)
    return np.concatenate([array.reshape(-1).view(np.uint8) for array in arrays])


@njit(inline="always", _nrt=False)
def unpack_program(packed):
    """The program that `pack_program` wrote; its arrays are views."""
    head = packed[:_HEAD_BYTES].view(_HEAD)[0]
    amplitudes = 1 << head.n
    steps = _HEAD_BYTES
    bits = steps + _STEP_BYTES * head.steps
    source = bits + 8 * head.bits
    order = source + 4 * head.steps * amplitudes
    sign = order + 4 * head.order
    return Program(
        head.n,
        head.angles,
        head.start_cos,
        head.start_sin,
        head.start_angle,
        head.start_row,
        packed[steps:bits].view(STEP),
        packed[source:order].view(np.int32).reshape(head.steps, amplitudes),
        packed[sign:].view(np.int8).reshape(head.steps, amplitudes),
        packed[bits:source].view(np.int64),
        head.low,
        head.high,
        packed[order:sign].view(np.int32),
        head.last_row,
        head.x_too,
    )


class _Step:
    """A step under construction: the gates between two layers of RY."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.image = np.arange(2**n)  # where amplitude k goes
        self.flip = np.ones(2**n, np.int8)  # the sign that it picks up on its way
        self.data_phase = False
        self.before, self.before_angle = NOTHING, 0.0
        self.after, self.after_angle = NOTHING, 0.0
        self.idle = True  # nothing in it yet

    def entangle(self, layer: Entangle) -> None:
        self.idle = False
        for pair in layer.pairs:
            control, target = (self.n - 1 - qubit for qubit in pair)
            if layer.gate == "CNOT":
                self.image ^= (self.image >> control & 1) << target
            else:
                both = self.image >> control & self.image >> target & 1
                self.flip[both == 1] *= -1

    @property
    def source(self) -> np.ndarray:
        return np.argsort(self.image)


def compile_program(
    circuit: Circuit, operations: Sequence[Operation], n: int, targets: Sequence[int]
) -> Program:
    """Bring operations on n qubits into normal form.

    Parameters
    ----------
    circuit
        Settles initial state, embedding and readout.
    operations
        `circuit.operations()`, or those inside a window of n of its qubits.
    n
        Qubits of the window.
    targets
        Qubits of the window that are measured.
    """
    operations = list(operations)
    last_row = NOTHING
    if isinstance(last := operations[-1], Rotate):
        last_row = last.row
        operations.pop()
    bloch = last_row != NOTHING or circuit.readout == "ZX"
    cone = set(targets)

    # From the back: which bits a layer of RY has to turn, if only `targets` are read.
    spans: dict[int, tuple[int, int]] = {}
    for i in reversed(range(len(operations))):
        operation = operations[i]
        if isinstance(operation, Entangle):
            for pair in reversed(operation.pairs):
                if cone.intersection(pair):
                    cone.update(pair)
        else:
            spans[i] = (n - 1 - max(cone), n - min(cone))

    # From the front: what acts on single qubits starts the state, then every RY ends a step.
    half_turn = math.pi / 2 if circuit.embedding == "RX" else 0.0
    start_row = NOTHING
    steps, turns = [_Step(n)], []
    for i, operation in enumerate(operations):
        step = steps[-1]
        if isinstance(operation, Entangle):
            step.entangle(operation)
        elif isinstance(operation, Rotate) and i == 1:
            start_row = operation.row
            step.before, step.idle = operation.row, False
        elif isinstance(operation, Rotate):
            step.after = operation.row
            turns.append((operation.row, *spans[i]))
            steps.append(_Step(n))
            steps[-1].before, steps[-1].idle = operation.row, False
        elif i > 0:
            step.after_angle = half_turn
            turns.append((DATA, *spans[i]))
            steps.append(_Step(n))
            steps[-1].before_angle, steps[-1].idle = -half_turn, False
            steps[-1].data_phase = circuit.angles_per_qubit == 2

    # What comes after the last RY: a step without one, or for Z alone a permutation.
    order = np.empty(0, np.int32)
    if bloch and not steps[-1].idle:
        turns.append((NOTHING, 0, 0))
    else:
        step = steps.pop()
        if not bloch:
            order = step.source.astype(np.int32)

    start = math.pi / 4 if circuit.initial == "superposition" else 0.0
    table = [
        (s.data_phase, s.before, s.before_angle, s.after, s.after_angle, *turn)
        for s, turn in zip(steps, turns, strict=True)
    ]
    return Program(
        n=n,
        angles=circuit.angles_per_qubit,
        start_cos=math.cos(start),
        start_sin=math.sin(start),
        start_angle=-half_turn,
        start_row=start_row,
        steps=np.array(table, STEP),
        source=np.array([s.source for s in steps], np.int32).reshape(-1, 2**n),
        sign=np.array([s.flip[s.source] for s in steps], np.int8).reshape(-1, 2**n),
        bits=np.array([n - 1 - q for q in targets], np.int64),
        low=n - 1 - max(targets),
        high=n - min(targets),
        order=order,
        last_row=last_row,
        x_too=circuit.readout == "ZX",
    )
