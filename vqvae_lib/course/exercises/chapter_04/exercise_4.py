"""Exercise 4.4: choose the angles with which two players beat every classical strategy."""

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import expect_tensor
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.quantum import statevector


def check(angles: Any) -> Right:
    """Four angles `(a_0, a_1, b_0, b_1)`, in radians."""
    turns = expect_tensor(angles, (4,), what="angles")
    S = _compute_chsh(turns)
    if S > 2.8:
        return Right(
            _(
                "S = {S:.4f}. Qubits can reach 2√2 = 2.8284, coins prepared in advance only "
                "2. Neighbouring directions are 45° apart on the Bloch sphere."
            ).format(S=S)
        )
    _recognise_mistakes(turns)
    if S < -2.8:
        raise Wrong("sign", _("S = {S:.3f}: you need the other sign.").format(S=S))
    if S > 2.0001:
        raise Wrong(
            "not-best",
            _("S = {S:.3f}: more than coins can do, but still more is possible.").format(S=S),
        )
    raise Wrong(
        "classical",
        _(
            "S = {S:.3f}. Coins prepared in advance reach 2. Work out E for two angles a and b."
        ).format(S=S),
    )


def _recognise_mistakes(turns: Tensor) -> None:
    """Say what would win: another unit, another order, or both."""
    units = [
        ("", 1.0, ""),
        ("degrees", math.pi / 180, _("These look like degrees: give radians.")),
        (
            "half-angle",
            2.0,
            _("Double these angles: RY(t) turns the amplitudes by t/2, but the sphere by t."),
        ),
        (
            "double-angle",
            0.5,
            _("Halve these angles: RY(t) turns the sphere by t, not by t/2."),
        ),
    ]
    wrong_place = _("These would be right for a minus sign at {other}, but it belongs to E_11.")
    orders = [
        ("", [0, 1, 2, 3], ""),
        (
            "order",
            [0, 2, 1, 3],
            _("The order is different: first both angles of player a, then both of player b."),
        ),
        ("minus", [1, 0, 3, 2], wrong_place.format(other="E_00")),
        ("minus", [0, 1, 3, 2], wrong_place.format(other="E_10")),
        ("minus", [1, 0, 2, 3], wrong_place.format(other="E_01")),
    ]
    # One fault is likelier than two: sorting by their number keeps the order given otherwise.
    pairs = sorted(itertools.product(units, orders), key=lambda pair: sum(x[0] != "" for x in pair))
    for (unit, factor, first), (order, places, second) in pairs:
        if _compute_chsh(factor * turns[places]) > 2.8:
            raise Wrong(unit or order, f"{first} {second}".strip())


def _compute_chsh(angles: Tensor) -> float:
    """S of two players who share a Bell state."""
    bell = torch.tensor([[1, 0, 0, 1]], dtype=torch.complex128) / math.sqrt(2)
    signs = torch.tensor([1, -1, -1, 1], dtype=torch.float64)
    gates = [statevector.ry(angle) for angle in angles]

    def product(a: Tensor, b: Tensor) -> float:
        state = statevector.apply_gate(statevector.apply_gate(bell, a, 0), b, 1)
        return float((state.abs().square() * signs).sum())

    a0, a1, b0, b1 = gates
    return product(a0, b0) + product(a0, b1) + product(a1, b0) - product(a1, b1)
