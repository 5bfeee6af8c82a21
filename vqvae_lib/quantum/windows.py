"""A circuit cut into windows: parts of a few neighbouring qubits, each simulated on its own.

A window holds some qubits whose features are wanted, and whatever can change them (see
`Circuit.light_cone`). Its operations are those of the circuit between its own qubits, which are
renumbered from 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from vqvae_lib._checks import check_instance, check_sequence
from vqvae_lib.quantum._checks import check_circuit
from vqvae_lib.quantum.circuit import Circuit, Entangle, Operation

__all__ = ["Window", "cones", "cost", "whole"]

# What a window costs besides its gates, in amplitudes times gates; measured at n = 8 to 11.
_COST_PER_WINDOW = 5000


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
        """All but the place: windows with the same pattern differ only in data and weights."""
        return self.width, self.targets, self.operations


def whole(circuit: Circuit) -> tuple[Window, ...]:
    """One window that holds the whole circuit: an ordinary state vector."""
    n = check_circuit(circuit).n_qubits
    return (Window(0, n, tuple(range(n)), tuple(circuit.operations())),)


def cones(circuit: Circuit) -> tuple[Window, ...]:
    """Windows that together measure every qubit, each as wide as a light cone.

    Qubits with the same cone, such as the two of a last gate, share a window.
    """
    return _cones(check_circuit(circuit))


@lru_cache(maxsize=16)
def _cones(circuit: Circuit) -> tuple[Window, ...]:
    """Cut a circuit up; kept, since a layer and its twins ask for the same windows."""
    operations = [(operation, _gates_by_control(operation)) for operation in circuit.operations()]
    qubits_of: dict[range, list[int]] = {}
    for qubit in range(circuit.n_qubits):
        qubits_of.setdefault(circuit.light_cone(qubit), []).append(qubit)
    return tuple(
        Window(
            cone.start,
            len(cone),
            tuple(qubit - cone.start for qubit in qubits),
            _restrict(operations, cone),
        )
        for cone, qubits in qubits_of.items()
    )


def cost(windows: Sequence[Window]) -> int:
    """Estimate the work of a call, in amplitudes times gates: to compare ways of cutting up."""
    windows = check_sequence("windows", windows, "windows, as `cones` and `whole` make them")
    for i, window in enumerate(windows):
        check_instance(f"windows[{i}]", window, Window, "a Window")
    return sum((len(w.operations) * w.width << w.width) + _COST_PER_WINDOW for w in windows)


_Gates = dict[int, list[tuple[int, int]]]


def _gates_by_control(operation: Operation) -> _Gates:
    """Place and target of each gate of an entangling layer, by its control qubit."""
    gates: _Gates = defaultdict(list)
    if isinstance(operation, Entangle):
        for place, (control, target) in enumerate(operation.pairs):
            gates[control].append((place, target))
    return gates


def _restrict(operations: Sequence[tuple[Operation, _Gates]], cone: range) -> tuple[Operation, ...]:
    """Keep what acts inside the cone; qubits are then counted from its first."""
    low = cone.start
    inside: list[Operation] = []
    for operation, gates in operations:
        if isinstance(operation, Entangle):
            # Only the cone's own gates are looked at, so that the work grows with the windows'
            # size; in their old order, since gates that share a qubit do not commute.
            kept = sorted(
                (place, control - low, target - low)
                for control in cone
                for place, target in gates.get(control, ())
                if target in cone
            )
            if not kept:
                continue
            operation = Entangle(tuple((i, j) for _, i, j in kept), operation.gate)
        inside.append(operation)
    return tuple(inside)
