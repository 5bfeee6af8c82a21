"""Exercise 4.2: apply a controlled gate to a batch of states."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import as_tensor, call, expect_tensor, recognise
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _


def check(controlled: Any) -> Right:
    """A function `controlled(state, gate, control, target)` that returns the new states."""
    generator = torch.Generator().manual_seed(0)
    for n, control, target in ((4, 1, 3), (4, 3, 0), (2, 0, 1), (2, 1, 0)):
        state = _draw_complex((3, 2**n), generator)
        state = state / state.abs().square().sum(1, keepdim=True).sqrt()
        # `qr` stores its result by columns, which torch.kron refuses.
        gate = torch.linalg.qr(_draw_complex((2, 2), generator)).Q.contiguous()
        what = f"controlled(state, gate, {control}, {target}), n = {n}"
        value = as_tensor(call(controlled, state, gate, control, target))
        if isinstance(value, Tensor) and not value.is_complex():
            raise Wrong(
                "real",
                _("{what}: the result is real, but amplitudes are complex.").format(what=what),
            )
        value = expect_tensor(value, (3, 2**n), what=what, dtype=torch.complex128)

        def apply(matrix: Tensor, state: Tensor = state) -> Tensor:
            return state @ matrix.T

        def matrix(gate: Tensor, i: int, j: int, on: int = 1, n: int = n) -> Tensor:
            return _make_controlled_matrix(gate, i, j, n, on)

        everywhere = _kron({target: gate}, n)
        one = _kron({control: torch.diag(torch.tensor([0.0, 1.0]))}, n)
        recognise(
            value,
            apply(matrix(gate, control, target)),
            [
                (
                    "swapped",
                    apply(matrix(gate, target, control)),
                    _("You have exchanged control and target."),
                ),
                (
                    "on-zero",
                    apply(matrix(gate, control, target, on=0)),
                    _("Your gate acts where the control is 0. It should act where it is 1."),
                ),
                (
                    "uncontrolled",
                    apply(everywhere),
                    _("Your gate acts on every amplitude, whatever the control's bit is."),
                ),
                (
                    "transposed",
                    apply(matrix(gate.T, control, target)),
                    _("The gate is transposed: the new amplitudes are gate @ old ones."),
                ),
                (
                    "adjoint",
                    apply(matrix(gate.conj().T, control, target)),
                    _("You applied the inverse: the conjugate transpose of the gate."),
                ),
                (
                    "other-end",
                    apply(matrix(gate, n - 1 - control, n - 1 - target)),
                    _("You count qubits from the last bit, but qubit 0 is the first."),
                ),
                (
                    "dropped",
                    apply(one @ everywhere),
                    _("The amplitudes whose control is 0 are lost: they have to stay as they are."),
                ),
                (
                    "unchanged",
                    state,
                    _("Nothing has changed. Do you use the result of the gate?"),
                ),
            ],
        )
    return Right(
        _(
            "Half of the amplitudes stay, half are transformed. Nothing measures the control, and "
            "that is why the gate can entangle."
        )
    )


def _draw_complex(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.view_as_complex(torch.randn(*shape, 2, generator=generator, dtype=torch.float64))


def _kron(gates: dict[int, Tensor], n: int) -> Tensor:
    """Matrix (2**n, 2**n) of gates on some qubits, as a Kronecker product."""
    matrix = torch.ones(1, 1, dtype=torch.complex128)
    for qubit in range(n):
        gate = gates.get(qubit, torch.eye(2))
        matrix = torch.kron(matrix, gate.to(torch.complex128).contiguous())
    return matrix


def _make_controlled_matrix(gate: Tensor, control: int, target: int, n: int, on: int = 1) -> Tensor:
    """Matrix of a gate that acts where the control has the value `on`."""
    idle, active = (torch.diag(torch.eye(2)[value]) for value in (1 - on, on))  # projectors
    return _kron({control: idle}, n) + _kron({control: active, target: gate}, n)
