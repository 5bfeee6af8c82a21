"""Checks of chapter 7, The hybrid VQVAE."""

import math
from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    call,
    expect_number,
    expect_tensor,
    recognise,
)
from vqvae_lib.course.exercises.repaired import ex_07_3
from vqvae_lib.course.words import _
from vqvae_lib.quantum import Circuit

__all__ = ["ex_07_1", "ex_07_2", "ex_07_3", "ex_07_4"]


# Exercise 1 ---------------------------------------------------------------------------------------


def ex_07_1(features: Any) -> Right:
    """A function `features(z)` of latent vectors (B, 3) that returns (B, 3)."""
    z = 2 * torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    value = expect_tensor(call(features, z), (6, 3), what="features(z)")
    a, b, c = z.cos().unbind(1)
    one = torch.ones_like(a)

    def columns(*three: Tensor) -> Tensor:
        return torch.stack(three, 1)

    no_gates = _("These are the qubits without CNOTs.")
    mistakes = [
        ("no-gates", columns(a, b, c), no_gates),
        (
            "order",
            columns(a, a * b, b * c),
            _("The CNOTs are in the other order: first from qubit 0 to 1, then from 1 to 2."),
        ),
        (
            "reversed",
            columns(a * b, b * c, c),
            _("Control and target are exchanged: the target's ⟨Z⟩ changes, not the control's."),
        ),
        (
            "reversed",
            columns(a * b * c, b * c, c),
            _("Control and target are exchanged: the target's ⟨Z⟩ changes, not the control's."),
        ),
        (
            "one-gate",
            columns(a, a * b, c),
            _("The second CNOT, from qubit 1 to 2, is missing."),
        ),
        (
            "two-from-0",
            columns(a, a * b, a * c),
            _("The second CNOT has qubit 1 as its control, not qubit 0."),
        ),
        (
            "superposition",
            columns(one * 0, one * 0, one * 0),
            _("H before RX: then no data enter, and each ⟨Z⟩ is 0. Begin in |0⟩."),
        ),
    ]
    sines = z.sin().unbind(1)
    half = (z / 2).cos().unbind(1)
    for kind, (p, q, r), hint in (
        ("sine", sines, _("RX(t) leaves ⟨Z⟩ = cos t, not a sine.")),
        (
            "sine",
            tuple(-s for s in sines),
            _("That is H and RY; here the qubits begin in |0⟩, and turn by RX."),
        ),
        ("half", half, _("The amplitudes have half the angle, expectation values the whole.")),
    ):
        mistakes += [(kind, columns(p, p * q, p * q * r), hint), (kind, columns(p, q, r), hint)]
    recognise(value, columns(a, a * b, a * b * c), mistakes)
    return Right(
        _(
            "A CNOT multiplies the target's Z by the control's, so ⟨Z₂⟩ is a product of three "
            "cosines: near z = 0 it has no slope in any coordinate. As a front of a decoder it "
            "would be a bad start."
        )
    )


# Exercise 2 ---------------------------------------------------------------------------------------


def ex_07_2(separable: Any) -> Right:
    """A function `separable(z, weights)`, (B, 2 n) and (n, 3) to features (B, 2 n)."""
    generator = torch.Generator().manual_seed(1)
    for B, n in ((5, 3), (3, 1)):
        z = 2 * torch.randn(B, 2 * n, generator=generator, dtype=torch.float64)
        weights = 2 * math.pi * torch.rand(n, 3, generator=generator, dtype=torch.float64)
        value = expect_tensor(
            call(separable, z, weights), (B, 2 * n), what=f"separable(z, weights), n = {n}"
        )
        recognise(value, _separable(z, weights), _separable_mistakes(z, weights))
    wide = torch.zeros(1, 100, dtype=torch.float64)
    expect_tensor(
        call(separable, wide, torch.zeros(50, 3, dtype=torch.float64)),
        (1, 100),
        what=_("separable(z, weights) of fifty qubits"),
    )
    return Right(
        _(
            "Each feature depends on its own qubit's two coordinates and nothing else, so fifty "
            "qubits, or five thousand, cost fifty small matrices. This is what the article's "
            "circuit does, as it is written: one layer of rotations."
        )
    )


def _turned(vector: Tensor, axis: str, angle: Tensor) -> Tensor:
    """Turn vectors (..., 3) about the y or z axis by angles (...,)."""
    x, y, z = vector.unbind(-1)
    c, s = angle.cos(), angle.sin()
    if axis == "y":
        return torch.stack(torch.broadcast_tensors(c * x + s * z, y, c * z - s * x), -1)
    return torch.stack(torch.broadcast_tensors(c * x - s * y, s * x + c * y, z), -1)


def _separable(
    z: Tensor,
    weights: Tensor,
    *,
    start: tuple[float, float, float] = (1, 0, 0),
    embed: str = "yz",
    order: tuple[int, int, int] = (0, 1, 2),
    sense: float = 1,
    factor: float = 1,
) -> Tensor:
    """⟨Z⟩ and ⟨X⟩ of each qubit in turn, (B, 2 n), from vectors turned in space."""
    t, u = z.reshape(len(z), -1, 2).unbind(2)  # (B, n) each
    vector = torch.tensor(start, dtype=z.dtype)
    for axis in embed:
        vector = _turned(vector, axis, factor * sense * {"y": t, "z": u}[axis])
    for axis, place in zip("zyz", order, strict=True):
        vector = _turned(vector, axis, factor * sense * weights[:, place])
    return vector[..., [2, 0]].flatten(1)  # (B, n, 3) -> (B, 2 n)


def _separable_mistakes(z: Tensor, weights: Tensor) -> list[tuple[str, Tensor, str]]:
    right = _separable(z, weights)
    z_first = torch.cat([right[:, ::2], right[:, 1::2]], 1)
    x_first = right.reshape(len(z), -1, 2).flip(2).flatten(1)
    halves = torch.cat(z.chunk(2, 1), 1).reshape(len(z), 2, -1).transpose(1, 2).flatten(1)
    return [
        ("apart", z_first, _("All ⟨Z⟩ come first, then all ⟨X⟩: they were asked for in turn.")),
        ("swapped", x_first, _("⟨X⟩ comes before ⟨Z⟩: first ⟨Z⟩, then ⟨X⟩ of each qubit.")),
        (
            "no-superposition",
            _separable(z, weights, start=(0, 0, 1)),
            _("Your vector begins at the pole |0⟩. H|0⟩ lies on the x axis."),
        ),
        (
            "embedding-order",
            _separable(z, weights, embed="zy"),
            _("First RY by t, then RZ by u."),
        ),
        ("no-u", _separable(z, weights, embed="y"), _("RZ by the second coordinate is missing.")),
        (
            "rot-order",
            _separable(z, weights, order=(2, 1, 0)),
            _("Rot(φ, θ, ω) turns by φ first, then θ, then ω."),
        ),
        (
            "sense",
            _separable(z, weights, sense=-1),
            _("All your turns go the other way: a positive angle about z takes x towards y."),
        ),
        (
            "half",
            _separable(z, weights, factor=0.5),
            _("Vectors turn by the whole angle; only amplitudes have half of it."),
        ),
        (
            "coordinates",
            _separable(halves, weights),
            _("Qubit i takes z[2 i] and z[2 i + 1], not z[i] and z[n + i]."),
        ),
    ]


# Exercise 4 ---------------------------------------------------------------------------------------


def ex_07_4(affordable: Any) -> Right:
    """A function `affordable(amplitudes)` that returns a number of layers."""
    for amplitudes in (2**10, 2**16, 10**6, 2**13 - 1, 64, 63, 16, 15, 2**17):
        value = expect_number(call(affordable, amplitudes), what=f"affordable({amplitudes})")
        expected = _affordable(amplitudes)
        if value == expected:
            continue
        said = _("For {amplitudes} amplitudes: expected {expected}, got {got:g}.").format(
            amplitudes=amplitudes, expected=expected, got=value
        )
        widest = max(Circuit(50, 100, space_layers=max(expected, 0)).light_cone_widths)
        for kind, other, hint in (
            ("minus-one", 0 if expected == -1 else None, _("Not even 0 layers fit: answer -1.")),
            (
                "embedding",
                math.floor(math.log2(amplitudes) / 2),
                _(
                    "The CNOT layers of encoder and decoder widen the cone too: ask the circuit "
                    "for its `light_cone_widths`."
                ),
            ),
            (
                "qubits",
                math.floor((amplitudes - 4) / 2),
                _("A state of w qubits has 2**w amplitudes, not w."),
            ),
            (
                "too-wide",
                expected + 1,
                _("With one layer more a state is too large: the limit itself is allowed."),
            ),
            (
                "too-narrow",
                expected - 1,
                _("One layer more still fits: its widest cone has {widest} qubits.").format(
                    widest=widest
                ),
            ),
        ):
            if value == other:
                raise Wrong(kind, f"{said} {hint}")
        raise Wrong("value", said)
    return Right(
        _(
            "Each layer widens a cone by two qubits and makes its states four times as large; the "
            "number of qubits beside it costs only its own number. Depth is what is hard."
        )
    )


def _affordable(amplitudes: int) -> int:
    layers = -1
    while 2 ** max(Circuit(50, 100, space_layers=layers + 1).light_cone_widths) <= amplitudes:
        layers += 1
    return layers
