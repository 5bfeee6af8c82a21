"""Exercise 5.4: find the qubits on which a feature can depend."""

from collections.abc import Iterable
from typing import Any

from vqvae_lib.course.exercises.answers import call, describe
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _


def check(cone: Any) -> Right:
    """A function `cone(gates, qubit)` that returns a set of qubits."""
    brick = [(0, 1), (2, 3), (4, 5), (6, 7), (1, 2), (3, 4), (5, 6)]
    cases = [
        ([], 3),
        ([(0, 1)], 2),
        (brick, 3),
        (brick, 0),
        ([(0, 1), (1, 2), (2, 3), (3, 0)], 1),  # a ring, one after the other
        ([(2, 3), (1, 2), (0, 1)], 0),
        ([(0, 1), (1, 2), (2, 3)], 0),
        ([(0, 5)], 0),
        ([(3, 4), (0, 7)], 0),
        ([(1, 2), (2, 3), (0, 2), (0, 1)], 0),  # 2 is reached in two ways
        ([*brick, *brick[:4]], 7),
    ]
    for gates, qubit in cases:
        qubits = _read_qubits(call(cone, list(gates), qubit))
        expected = _solve(gates, qubit)
        if qubits == expected:
            continue
        text = _("For gates {gates} and qubit {qubit}: expected {expected}, got {got}.").format(
            gates=gates, qubit=qubit, expected=sorted(expected), got=sorted(qubits)
        )
        for kind, other, hint in _list_mistakes(gates, qubit):
            if qubits == other:
                raise Wrong(kind, f"{text} {hint}")
        raise Wrong("value", text)
    return Right(
        _(
            "One layer of a ring can let in every other qubit; a layer of brickwork lets in "
            "two more. Single-qubit gates let in none."
        )
    )


def _read_qubits(answer: Any) -> set[int]:
    """Read a set of qubits, or say why it cannot be one."""
    qubits: list[Any] = call(list, answer) if isinstance(answer, Iterable) else [None]
    qubits = [q.tolist() if hasattr(q, "tolist") else q for q in qubits]  # of tensors and arrays
    if qubits and all(isinstance(q, bool) for q in qubits):
        raise Wrong(
            "mask",
            _(
                "You return True or False for each qubit: return the numbers of those that "
                "are True."
            ),
        )
    if not all(isinstance(q, int | float) and float(q).is_integer() for q in qubits):
        raise Wrong("type", _("Expected a set of qubits, got {got}.").format(got=describe(answer)))
    return {int(q) for q in qubits}


def _list_mistakes(gates: list[tuple[int, int]], qubit: int) -> list[tuple[str, set[int], str]]:
    right = _solve(gates, qubit)
    neighbours = [(i, j) for i, j in gates if abs(i - j) == 1]
    return [
        ("no-self", right - {qubit}, _("The qubit itself belongs to its cone.")),
        (
            "depth-first",
            _search_depth_first(gates, qubit),
            _(
                "A qubit can be reached in several ways. Which of them leaves the most gates "
                "still to walk through?"
            ),
        ),
        ("forward", _solve(gates[::-1], qubit), _("Walk *back* from the measurement.")),
        (
            "neighbours",
            {qubit}.union(*(pair for pair in gates if qubit in pair)),
            _("A qubit that comes in brings others: a gate further back may touch *it*."),
        ),
        (
            "connected",
            _search_any_order(gates, qubit),
            _(
                "The order counts: a gate that acts after the whole path to its qubits has no "
                "effect."
            ),
        ),
        (
            "range",
            set(range(min(right), max(right) + 1)),
            _("Gaps stay gaps: qubits between two others need not be in the cone."),
        ),
        (
            "adjacent",
            _solve(neighbours, qubit),
            _("A gate may act on any two qubits, not only on neighbours."),
        ),
    ]


def _solve(gates: list[tuple[int, int]], qubit: int) -> set[int]:
    cone = {qubit}
    for pair in reversed(gates):
        if cone.intersection(pair):
            cone.update(pair)
    return cone


def _search_any_order(gates: list[tuple[int, int]], qubit: int) -> set[int]:
    cone, size = {qubit}, 0
    while len(cone) > size:
        size = len(cone)
        for pair in gates:
            if cone.intersection(pair):
                cone.update(pair)
    return cone


def _search_depth_first(gates: list[tuple[int, int]], qubit: int) -> set[int]:
    """What a depth-first search reaches, which follows a qubit only from where it met it first."""
    cone = {qubit}

    def follow(qubit: int, n_gates: int) -> None:
        for k in reversed(range(n_gates)):
            for other in set(gates[k]) - cone if qubit in gates[k] else ():
                cone.add(other)
                follow(other, k)

    follow(qubit, len(gates))
    return cone
