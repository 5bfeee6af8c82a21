"""Checks of chapter 4, Qubits and circuits."""

import itertools
import math
import operator
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    as_tensor,
    call,
    expect_number,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.words import _
from vqvae_lib.quantum import statevector

# Repetitions for each accuracy and expectation value. 100 know a standard error to 7 %. Where shots
# are many there are fewer, so that an answer that takes them one at a time ends in time as well.
TRIED = {
    0.05: {0.6: 100, 0.0: 100, -0.9: 100, 0.99: 100},
    0.02: {0.0: 50, -0.9: 100, 0.99: 100},
}


# Exercise 1 ---------------------------------------------------------------------------------------


class _Device:
    """A circuit with a known ⟨Z⟩, which counts its shots."""

    BLOCK = 4096  # outcomes drawn ahead, so that a single shot costs a slice only

    def __init__(self, o: float, seed: int) -> None:
        self.o, self.shots = o, 0
        self.generator = torch.Generator().manual_seed(seed)
        self.ahead = self._draw(self.BLOCK)

    def _draw(self, n: int) -> Tensor:
        p_one = torch.full((n,), (1 - self.o) / 2, dtype=torch.float64)
        return 1 - 2 * torch.bernoulli(p_one, generator=self.generator)

    def sample(self, n: Any) -> Tensor:
        """Outcomes ±1 of n shots, (n,)."""
        try:
            whole = float(n) == int(n) >= 0
        except (TypeError, ValueError, OverflowError):
            whole = False
        if not whole:
            raise ValueError(f"sample(n): expected a whole number of shots, got {n!r}")
        n = int(n)
        self.shots += n
        if n > len(self.ahead):
            self.ahead = torch.cat([self.ahead, self._draw(max(n, self.BLOCK))])
        outcomes, self.ahead = self.ahead[:n], self.ahead[n:]
        return outcomes


def ex_04_1(estimate: Any) -> Right:
    """A function `estimate(sample, eps)` that returns `(o_hat, shots)`."""
    for eps, tried in TRIED.items():
        spent = {o: _spent(estimate, o, eps, count) for o, count in tried.items()}
        enough = 1 / eps**2
        most = 1.4 * enough + 300
        if spent[0.0] > most:
            raise Wrong(
                "too-many",
                _(
                    "For ⟨Z⟩ = 0 and eps = {eps:g}, {enough:.0f} shots do. You used {used:.0f} on "
                    "average; at most {most:.0f} are allowed."
                ).format(eps=eps, enough=enough, used=spent[0.0], most=most),
            )
        most = 0.5 * enough
        for o in (0.99, -0.9):
            if spent[o] > most + 1:  # rounding up costs less than one
                raise Wrong(
                    "wasteful",
                    _(
                        "It is accurate. But ⟨Z⟩ = {o:g} is nearly certain, and for eps = {eps:g} "
                        "you used {used:.0f} shots on average; at most {most:.0f} are allowed. By "
                        "1 - o² far fewer would do. Let their number follow from what you see, and "
                        "remember that the first look costs shots too."
                    ).format(o=o, eps=eps, used=spent[o], most=most),
                )
    return Right(
        _(
            "For eps = {eps:g} it takes {middle:.0f} shots at ⟨Z⟩ = 0 and {certain:.0f} at 0.99. "
            "Noise is cheapest where the outcome is nearly certain."
        ).format(eps=eps, middle=spent[0.0], certain=spent[0.99])
    )


def _spent(estimate: Any, o: float, eps: float, count: int) -> float:
    """Mean number of shots on circuits with ⟨Z⟩ = o, once the estimates are accurate."""
    found = torch.tensor(
        [_estimated(estimate, o, eps, seed) for seed in range(count)], dtype=torch.float64
    )  # (repetitions, 2)
    values, shots = found.unbind(1)
    _refuse_another_quantity(values, o)
    error = float((values - o).square().mean().sqrt())
    if error <= 1.25 * eps:
        return float(shots.mean())
    said = {"o": o, "eps": eps, "error": error}
    usual = float(shots.median())
    # Stopping early: mostly about the right number, or now and then far fewer than usual. With less
    # than 0.64 of the right number each time the error is too large anyway.
    if usual > 0.6 * (1 - o**2) / eps**2 or float(shots.min()) < 0.3 * usual:
        raise Wrong(
            "pilot",
            _(
                "For ⟨Z⟩ = {o:g} the error is {error:.3f}, and {eps:g} was asked for: now and then "
                "you stop far too early. A few outcomes that are all the same look as if the "
                "variance were zero. Look at more of them before you decide, and count one more "
                "of either outcome than you saw."
            ).format(**said),
        )
    raise Wrong(
        "too-few",
        _(
            "For ⟨Z⟩ = {o:g} the error is {error:.3f}, and {eps:g} was asked for. The standard "
            "error is sqrt((1 - o²)/N): solve it for N."
        ).format(**said),
    )


def _estimated(estimate: Any, o: float, eps: float, seed: int) -> tuple[float, int]:
    """Run the learner's function on one device; its estimate, and the shots that it used."""
    device = _Device(o, seed)
    value = call(estimate, device.sample, eps)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise Wrong("pair", _("Return two things, `(o_hat, shots)`."))
    o_hat = expect_number(value[0], what="o_hat")
    told = expect_number(value[1], what="shots")
    if device.shots == 0:
        raise Wrong("unused", _("`sample` was never called: nothing was measured."))
    if told != device.shots:
        raise Wrong(
            "miscounted",
            _("You say {told:g} shots, and `sample` was asked for {used}.").format(
                told=told, used=device.shots
            ),
        )
    return o_hat, device.shots


def _refuse_another_quantity(values: Tensor, o: float) -> None:
    """Recognise estimates of something else; at 0.6 those of a likely kind differ."""
    mean = float(values.mean())
    likely = [
        ("sign", -o, _("The sign is wrong: ⟨Z⟩ is p(0) - p(1).")),
        ("probability", (1 - o) / 2, _("This is p(1). ⟨Z⟩ is p(0) - p(1), the mean of the ±1.")),
        ("probability", (1 + o) / 2, _("This is p(0). ⟨Z⟩ is p(0) - p(1), the mean of the ±1.")),
    ]
    for kind, other, message in likely if o == 0.6 else []:
        if abs(mean - other) < 0.05:
            raise Wrong(kind, message)
    if abs(mean - o) > 0.2:  # whoever stops early is off by 0.1 at most
        raise Wrong(
            "biased",
            _("For ⟨Z⟩ = {o:g} your estimates lie around {mean:.3g}: is it the mean of ±1?").format(
                o=o, mean=mean
            ),
        )


# Exercise 2 ---------------------------------------------------------------------------------------


def ex_04_2(controlled: Any) -> Right:
    """A function `controlled(state, gate, control, target)` that returns the new states."""
    generator = torch.Generator().manual_seed(0)
    for n, control, target in ((4, 1, 3), (4, 3, 0), (2, 0, 1), (2, 1, 0)):
        state = _random_complex((3, 2**n), generator)
        state = state / state.abs().square().sum(1, keepdim=True).sqrt()
        # `qr` gives columns one behind the other in memory, which torch.kron refuses.
        gate = torch.linalg.qr(_random_complex((2, 2), generator)).Q.contiguous()
        what = f"controlled(state, gate, {control}, {target}), n = {n}"
        value = as_tensor(call(controlled, state, gate, control, target))
        if isinstance(value, Tensor) and not value.is_complex():
            raise Wrong(
                "real",
                _("{what}: the result is real. Amplitudes are complex.").format(what=what),
            )
        value = expect_tensor(value, (3, 2**n), what=what, dtype=torch.complex128)

        def by(matrix: Tensor, state: Tensor = state) -> Tensor:
            return state @ matrix.T

        def full(gate: Tensor, i: int, j: int, on: int = 1, n: int = n) -> Tensor:
            return _controlled_matrix(gate, i, j, n, on)

        everywhere = _on_qubits({target: gate}, n)
        one = _on_qubits({control: torch.diag(torch.tensor([0.0, 1.0]))}, n)
        recognise(
            value,
            by(full(gate, control, target)),
            [
                (
                    "swapped",
                    by(full(gate, target, control)),
                    _("Control and target are exchanged."),
                ),
                (
                    "on-zero",
                    by(full(gate, control, target, on=0)),
                    _("Your gate acts where the control is 0. It has to where it is 1."),
                ),
                (
                    "uncontrolled",
                    by(everywhere),
                    _("Your gate acts on every amplitude, whatever the control's bit."),
                ),
                (
                    "transposed",
                    by(full(gate.T, control, target)),
                    _("The gate is transposed: new amplitudes are gate @ old ones."),
                ),
                (
                    "adjoint",
                    by(full(gate.conj().T, control, target)),
                    _("You applied the inverse, the conjugate transpose of the gate."),
                ),
                (
                    "other-end",
                    by(full(gate, n - 1 - control, n - 1 - target)),
                    _("You count qubits from the last bit. Qubit 0 is the first."),
                ),
                (
                    "dropped",
                    by(one @ everywhere),
                    _("The amplitudes whose control is 0 are lost: they have to stay as they are."),
                ),
                (
                    "unchanged",
                    state,
                    _("Nothing has changed. Is the result of the gate used?"),
                ),
            ],
        )
    return Right(
        _(
            "Half of the amplitudes stay, half are turned: no measurement of the control is "
            "involved, which is why it can entangle."
        )
    )


def _random_complex(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.view_as_complex(torch.randn(*shape, 2, generator=generator, dtype=torch.float64))


def _on_qubits(gates: dict[int, Tensor], n: int) -> Tensor:
    """Matrix (2**n, 2**n) of gates on some qubits, as a Kronecker product."""
    matrix = torch.ones(1, 1, dtype=torch.complex128)
    for qubit in range(n):
        gate = gates.get(qubit, torch.eye(2))
        matrix = torch.kron(matrix, gate.to(torch.complex128).contiguous())
    return matrix


def _controlled_matrix(gate: Tensor, control: int, target: int, n: int, on: int = 1) -> Tensor:
    """Matrix of a controlled gate: a projector on either value of the control."""
    projectors = torch.eye(2, dtype=torch.float64)
    off = torch.diag(projectors[1 - on])
    return _on_qubits({control: off}, n) + _on_qubits(
        {control: torch.diag(projectors[on]), target: gate}, n
    )


# Exercise 3 ---------------------------------------------------------------------------------------


def ex_04_3(ghz: Any) -> Right:
    """A function `ghz(n)` that returns a list of gates such as ("H", 0), ("CNOT", 0, 1)."""
    depth = 0
    for n in range(2, 9):
        gates = _gates(call(ghz, n), n)
        count = Counter(name for name, *_qubits in gates)
        state = _run(gates, n)
        _judge_cat(state, n, gates)
        if count["CNOT"] > n - 1:
            raise Wrong(
                "too-many",
                _("It works. But for n = {n} you use {count} CNOTs; the least is {least}.").format(
                    count=count["CNOT"], n=n, least=n - 1
                ),
            )
        depth = _depth(gates, n)
    return Right(
        _(
            "For n = 8 your gates need {depth} steps. An H and a chain take 8; doubling, with each "
            "qubit that is entangled already as a control, takes 4."
        ).format(depth=depth)
    )


def _gates(answer: Any, n: int) -> list[tuple[Any, ...]]:
    """Read the list of gates, or say which of its entries cannot be one."""
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise Wrong("type", _("`ghz({n})`: expected a list of gates.").format(n=n))
    arity = {"H": 1, "X": 1, "Z": 1, "CNOT": 2}
    read = []
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
                "qubit", _("{gate!r}: the qubits must be whole numbers.").format(gate=gate)
            ) from None
        if not all(0 <= q < n for q in qubits):
            raise Wrong(
                "qubit",
                _("{gate!r}: the qubits of n = {n} are 0 to {last}.").format(
                    gate=gate, n=n, last=n - 1
                ),
            )
        if len(set(qubits)) < len(qubits):
            raise Wrong("qubit", _("{gate!r}: control and target are the same.").format(gate=gate))
        read.append((gate[0], *qubits))
    return read


def _run(gates: list[tuple[Any, ...]], n: int) -> Tensor:
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


def _judge_cat(state: Tensor, n: int, gates: list[tuple[Any, ...]]) -> None:
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
                "H on every qubit makes the uniform superposition of all {count} strings. That is "
                "a product: only one qubit needs an H."
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
                "For n = {n} the strings are {first} and {second}: qubit {qubit} has been left "
                "out. Is it the target of a CNOT, and is its control a qubit that varies?"
            ).format(n=n, first=names[0], second=names[1], qubit=same[0]),
        )
    raise Wrong(
        "value",
        _("For n = {n} your state has {count} terms, among them {names}: two were wanted.").format(
            n=n, count=len(terms), names=", ".join(names[:4])
        ),
    )


def _depth(gates: list[tuple[Any, ...]], n: int) -> int:
    """Steps, if gates on different qubits act at the same time."""
    busy = [0] * n
    for _name, *qubits in gates:
        step = 1 + max(busy[q] for q in qubits)
        for q in qubits:
            busy[q] = step
    return max(busy)


# Exercise 4 ---------------------------------------------------------------------------------------


def ex_04_4(angles: Any) -> Right:
    """Four angles `(a_0, a_1, b_0, b_1)`, in radians."""
    turns = expect_tensor(angles, (4,), what="angles")
    S = _chsh(turns)
    if S > 2.8:
        return Right(
            _(
                "S = {S:.4f}; the most that qubits can reach is 2√2 = 2.8284, prepared coins reach "
                "2. Neighbouring directions are 45° apart on the Bloch sphere."
            ).format(S=S)
        )
    _recognise_angles(turns)
    if S < -2.8:
        raise Wrong("sign", _("S = {S:.3f}: the other sign was wanted.").format(S=S))
    if S > 2.0001:
        raise Wrong(
            "not-best",
            _("S = {S:.3f}. More than coins can do, and more is possible.").format(S=S),
        )
    raise Wrong(
        "classical",
        _("S = {S:.3f}. Prepared coins reach 2. Work out what E is for two angles a and b.").format(
            S=S
        ),
    )


def _recognise_angles(turns: Tensor) -> None:
    """Say what would win: another unit, another order, or both."""
    units = [
        ("", 1.0, ""),
        ("degrees", math.pi / 180, _("These look like degrees: give radians.")),
        (
            "half-angle",
            2.0,
            _("Twice these angles are needed: RY(t) turns the amplitudes by t/2, the sphere by t."),
        ),
        (
            "double-angle",
            0.5,
            _("Half of these angles are needed: RY(t) turns the sphere by t, not by t/2."),
        ),
    ]
    elsewhere = _("These are for a minus sign at {other}: it is E_11 that has it.")
    orders = [
        ("", [0, 1, 2, 3], ""),
        (
            "order",
            [0, 2, 1, 3],
            _("The order is another: first both of player a, then both of player b."),
        ),
        ("minus", [1, 0, 3, 2], elsewhere.format(other="E_00")),
        ("minus", [0, 1, 3, 2], elsewhere.format(other="E_10")),
        ("minus", [1, 0, 2, 3], elsewhere.format(other="E_01")),
    ]
    # One fault is likelier than two: sorting by their number keeps the order given otherwise.
    pairs = sorted(itertools.product(units, orders), key=lambda pair: sum(x[0] != "" for x in pair))
    for (unit, factor, first), (order, places, second) in pairs:
        if _chsh(factor * turns[places]) > 2.8:
            raise Wrong(unit or order, f"{first} {second}".strip())


def _chsh(angles: Tensor) -> float:
    """S of two players who share a Bell state."""
    bell = torch.tensor([[1, 0, 0, 1]], dtype=torch.complex128) / math.sqrt(2)
    signs = torch.tensor([1, -1, -1, 1], dtype=torch.float64)
    gates = [statevector.ry(angle) for angle in angles]

    def product(a: Tensor, b: Tensor) -> float:
        state = statevector.apply_gate(statevector.apply_gate(bell, a, 0), b, 1)
        return float((state.abs().square() * signs).sum())

    a0, a1, b0, b1 = gates
    return product(a0, b0) + product(a0, b1) + product(a1, b0) - product(a1, b1)
