"""Exercise 4.3: entangle n qubits in a GHZ state with the fewest CNOTs."""

import math
import operator
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import call
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.quantum import statevector


def check(ghz: Any) -> Right:
    """A function `ghz(n)` that returns a list of gates such as ("H", 0), ("CNOT", 0, 1)."""
    depth = 0
    for n in range(2, 9):
        gates = _read_gates(call(ghz, n), n)
        count = Counter(name for name, *_qubits in gates)
        state = _simulate(gates, n)
        _judge_state(state, n, gates)
        if count["CNOT"] > n - 1:
            raise Wrong(
                "too-many",
                _(
                    "It works, but for n = {n} you use {count} CNOTs, and the least is {least}."
                ).format(count=count["CNOT"], n=n, least=n - 1),
            )
        depth = _measure_depth(gates, n)
    return Right(
        _(
            "For n = 8 your gates need {depth} steps. An H and a chain take 8; doubling, in "
            "which every entangled qubit serves as a control, takes 4."
        ).format(depth=depth)
    )


def _read_gates(answer: Any, n: int) -> list[tuple[Any, ...]]:
    """Read the list of gates, or say which of its entries cannot be one."""
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise Wrong("type", _("`ghz({n})`: expected a list of gates.").format(n=n))
    arity = {"H": 1, "X": 1, "Z": 1, "CNOT": 2}
    gates = []
    for gate in call(list, answer):  # a generator runs the learner's code only now
        name = gate[0] if isinstance(gate, tuple | list) and gate else None
        if not isinstance(name, str) or len(gate) != 1 + arity.get(name, -1):
            raise Wrong(
                "gate",
                _(
                    'Cannot read {gate!r}: expected ("H", i), ("X", i), ("Z", i) or '
                    '("CNOT", control, target).'
                ).format(gate=gate),
            )
        try:
            qubits = tuple(operator.index(q) for q in gate[1:])
        except TypeError:
            raise Wrong(
                "qubit", _("{gate!r}: qubits must be whole numbers.").format(gate=gate)
            ) from None
        if not all(0 <= q < n for q in qubits):
            raise Wrong(
                "qubit",
                _("{gate!r}: for n = {n} the qubits are 0 to {last}.").format(
                    gate=gate, n=n, last=n - 1
                ),
            )
        if len(set(qubits)) < len(qubits):
            raise Wrong("qubit", _("{gate!r}: control and target are the same.").format(gate=gate))
        gates.append((gate[0], *qubits))
    return gates


def _simulate(gates: list[tuple[Any, ...]], n: int) -> Tensor:
    """State (2**n,) after the gates, by the reference simulator."""
    one = {
        "H": torch.tensor([[1, 1], [1, -1]]) / math.sqrt(2),
        "X": torch.tensor([[0, 1], [1, 0]]),
        "Z": torch.tensor([[1, 0], [0, -1]]),
    }
    state = torch.zeros(1, 2**n, dtype=torch.complex128)
    state[:, 0] = 1
    for name, *qubits in gates:
        if name == "CNOT":
            state = statevector.cnot(state, *qubits)
        else:
            gate = one[name].to(torch.complex128)
            state = statevector.apply_gate(state, gate, *qubits)
    return state[0].real


def _judge_state(state: Tensor, n: int, gates: list[tuple[Any, ...]]) -> None:
    target = torch.zeros(2**n, dtype=torch.float64)
    target[0] = target[-1] = math.sqrt(0.5)
    if any(torch.allclose(phase * state, target, atol=1e-6) for phase in (1, -1)):
        return
    terms = [k for k, amplitude in enumerate(state) if abs(float(amplitude)) > 1e-6]
    names = [f"{k:0{n}b}" for k in terms]
    if terms == [0, 2**n - 1]:
        raise Wrong(
            "phase", _("Nearly: the sign between the two terms is wrong (n = {n}).").format(n=n)
        )
    if torch.allclose(state, torch.full_like(state, 2 ** (-n / 2)), atol=1e-6):
        raise Wrong(
            "product",
            _(
                "An H on every qubit gives the uniform superposition of all {count} strings, "
                "which is a product state. Only one qubit needs an H."
            ).format(count=2**n),
        )
    if len(terms) == 1:
        raise Wrong(
            "certain",
            _(
                "Your gates leave the single string {name}. A CNOT whose control is certainly 0 "
                "does nothing: what has to come first?"
            ).format(name=names[0]),
        )
    if len(terms) == 2 and terms[0] + terms[1] == 2**n - 1:
        raise Wrong(
            "flipped",
            _("Entangled, but the strings are {first} and {second}.").format(
                first=names[0], second=names[1]
            ),
        )
    if len(terms) == 2:
        same = [i for i in range(n) if names[0][i] == names[1][i]]
        raise Wrong(
            "left-out",
            _(
                "For n = {n} the strings are {first} and {second}: qubit {qubit} is left out. Is "
                "it the target of a CNOT whose control varies?"
            ).format(n=n, first=names[0], second=names[1], qubit=same[0]),
        )
    raise Wrong(
        "value",
        _("For n = {n} your state has {count} terms, among them {names}: expected two.").format(
            n=n, count=len(terms), names=", ".join(names[:4])
        ),
    )


def _measure_depth(gates: list[tuple[Any, ...]], n: int) -> int:
    """Steps, if gates on different qubits act at the same time."""
    busy = [0] * n
    for _name, *qubits in gates:
        step = 1 + max(busy[q] for q in qubits)
        for q in qubits:
            busy[q] = step
    return max(busy)
