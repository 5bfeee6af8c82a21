"""Checks of chapter 7, The hybrid VQVAE."""

import contextlib
import functools
import math
import re
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from vqvae_lib.course.exercises.mechanism import (
    Right,
    Wrong,
    as_tensor,
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
    answer = as_tensor(call(features, z))
    value = expect_tensor(answer, (6, 3), what="features(z)")
    if not answer.is_floating_point() and not answer.is_complex():
        raise Wrong(
            "whole", _("features(z) holds whole numbers: the fractions were cut off on the way.")
        )
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
        ("one-gate", columns(a, b, b * c), _("The first CNOT, from qubit 0 to 1, is missing.")),
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
        ("scale", (0.3 * z).cos().unbind(1), _("The angle scale is 1 here, not 0.3.")),
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
    for B, n in ((5, 3), (3, 1), (2, 50)):
        z = 2 * torch.randn(B, 2 * n, generator=generator, dtype=torch.float64)
        weights = 2 * math.pi * torch.rand(n, 3, generator=generator, dtype=torch.float64)
        with _few_numbers(n):
            answer = call(separable, z, weights)
        value = expect_tensor(answer, (B, 2 * n), what=f"separable(z, weights), n = {n}")
        recognise(value, _separable(z, weights), _separable_mistakes(z, weights))
    return Right(
        _(
            "Each feature depends on its own qubit's two coordinates and nothing else, so fifty "
            "qubits cost fifty small matrices, and five thousand cost five thousand. This is what "
            "the article's circuit does, as it is written: one layer of rotations."
        )
    )


@contextlib.contextmanager
def _few_numbers(n: int) -> Iterator[None]:
    """Stop at a state of many qubits, before it has taken all memory, and say what it is."""
    try:
        with _NoLargeTensor():
            yield
    except Wrong as outcome:
        told = re.search("RuntimeError|MemoryError|ValueError", str(outcome))
        if n < 50 or outcome.kind != "raises" or not told:
            raise
        raise Wrong(
            "state",
            _(
                "For fifty qubits your function fails ({error}). Does it make a state of 2^50 "
                "amplitudes? Turn vectors, qubit by qubit."
            ).format(error=told[0]),
        ) from None


class _NoLargeTensor(TorchFunctionMode):
    """Raises MemoryError where torch makes a tensor of more than a million numbers."""

    def __torch_function__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = operation(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and made.numel() > 2**20:
            raise MemoryError(f"a tensor of shape {tuple(made.shape)}")
        return made


def _turned(vector: Tensor, axis: str, angle: Tensor, *, slip: bool) -> Tensor:
    """Turn vectors (..., 3) about the y or z axis by angles (...,).

    With `slip`, the old x is overwritten before the other component has been made of it.
    """
    x, y, z = vector.unbind(-1)
    c, s = angle.cos(), angle.sin()
    new = c * x + s * z if axis == "y" else c * x - s * y
    if slip:
        x = new
    three = (new, y, c * z - s * x) if axis == "y" else (new, s * x + c * y, z)
    return torch.stack(torch.broadcast_tensors(*three), -1)


def _separable(
    z: Tensor,
    weights: Tensor,
    *,
    start: tuple[float, float, float] = (1, 0, 0),
    order: tuple[int, ...] = (0, 1, 2, 3, 4),
    times: tuple[float, ...] = (1, 1, 1, 1, 1),
    slips: tuple[int, ...] = (),
) -> Tensor:
    """⟨Z⟩ and ⟨X⟩ of each qubit in turn, (B, 2 n), from vectors turned in space.

    There are five turns: RY(t), RZ(u) and those of Rot. They happen in `order`, by their angles
    `times` a factor; those in `slips` are spoilt, see `_turned`.
    """
    t, u = z.reshape(len(z), -1, 2).unbind(2)  # (B, n) each
    angles = (t, u, *weights.unbind(1))
    vector = torch.tensor(start, dtype=z.dtype)
    for i in order:
        vector = _turned(vector, "yzzyz"[i], times[i] * angles[i], slip=i in slips)
    return vector[..., [2, 0]].flatten(1)  # (B, n, 3) -> (B, 2 n)


def _separable_mistakes(z: Tensor, weights: Tensor) -> list[tuple[str, Tensor, str]]:
    right = _separable(z, weights)
    z_first = torch.cat([right[:, ::2], right[:, 1::2]], 1)
    x_first = right.reshape(len(z), -1, 2).flip(2).flatten(1)
    halves = torch.cat(z.chunk(2, 1), 1).reshape(len(z), 2, -1).transpose(1, 2).flatten(1)
    overwritten = _("The old x is needed twice in a turn: keep it until both are computed.")
    sense_y = _("a positive angle about y takes z towards x.")
    # Of RZ and both turns about z in Rot, all the other way, nothing is seen: y changes its sign.
    turned: list[tuple[str, dict[str, Any], str]] = [
        (
            "no-superposition",
            {"start": (0, 0, 1)},
            _("Your vector begins at the pole |0⟩. H|0⟩ lies on the x axis."),
        ),
        ("embedding-order", {"order": (1, 0, 2, 3, 4)}, _("First RY by t, then RZ by u.")),
        (
            "no-u",
            {"order": (0, 2, 3, 4)},
            _("RZ by the second coordinate is missing."),
        ),
        (
            "rot-order",
            {"order": (0, 1, 4, 3, 2)},
            _("Rot(φ, θ, ω) turns by φ first, then θ, then ω."),
        ),
        (
            "sense",
            {"times": (-1, 1, 1, -1, 1)},
            _("Your turns about y go the other way: {right}").format(right=sense_y),
        ),
        (
            "sense-t",
            {"times": (-1, 1, 1, 1, 1)},
            _("RY(t) turns the other way, and θ does not: {right}").format(right=sense_y),
        ),
        (
            "sense-theta",
            {"times": (1, 1, 1, -1, 1)},
            _("In Rot, θ turns the other way, and RY(t) does not: {right}").format(right=sense_y),
        ),
        (
            "sense-z",
            {"times": (1, -1, 1, 1, 1)},
            _("RZ(u) and Rot turn about z in opposite senses: positive takes x towards y."),
        ),
        (
            "half",
            {"times": (0.5,) * 5},
            _("Vectors turn by the whole angle; only amplitudes have half of it."),
        ),
        ("scale", {"times": (0.3, 0.3, 1, 1, 1)}, _("The angle scale is 1 here, not 0.3.")),
        ("overwritten", {"slips": (0, 1, 2, 3, 4)}, overwritten),
        ("overwritten", {"slips": (1, 2, 3, 4)}, overwritten),
        ("overwritten", {"slips": (2, 3, 4)}, overwritten),
    ]
    return [
        ("apart", z_first, _("All ⟨Z⟩ come first, then all ⟨X⟩: they were asked for in turn.")),
        ("swapped", x_first, _("⟨X⟩ comes before ⟨Z⟩: first ⟨Z⟩, then ⟨X⟩ of each qubit.")),
        *((kind, _separable(z, weights, **options), hint) for kind, options, hint in turned),
        (
            "coordinates",
            _separable(halves, weights),
            _("Qubit i takes z[2 i] and z[2 i + 1], not z[i] and z[n + i]."),
        ),
    ]


# Exercise 4 ---------------------------------------------------------------------------------------


def ex_07_4(affordable: Any) -> Right:
    """A function `affordable(amplitudes)` that returns a number of layers."""
    # Some of them even to the last amplitude, some with one too few; up to what 50 qubits allow.
    # 2^48 less a million, not less one: log2 of that would be 48 in floating point.
    large = [2**40, 2**48 - 10**6, 2**48, 2**49]
    asked = [2**10, 2**16, 10**6, 2**13 - 1, 64, 63, 16, 15, 1, 3, 2**17, *large]
    values = {
        amplitudes: expect_number(call(affordable, amplitudes), what=f"affordable({amplitudes})")
        for amplitudes in asked
    }
    expected = {amplitudes: _affordable(amplitudes) for amplitudes in asked}
    if values != expected:
        raise _named_depth(values, expected)
    return Right(
        _(
            "Each layer widens a cone by two qubits and makes its states four times as large; the "
            "number of qubits beside it costs only its own number. Depth is what is hard."
        )
    )


def _named_depth(values: dict[int, float], expected: dict[int, int]) -> Wrong:
    """What to say of wrong depths: a mistake is named that gives all of them, or all small ones."""
    first = next(amplitudes for amplitudes in values if values[amplitudes] != expected[amplitudes])
    got, right = values[first], expected[first]
    said = _("For {amplitudes} amplitudes: expected {expected}, got {got:g}.").format(
        amplitudes=first, expected=right, got=got
    )
    most = max(values.values())
    none = _("Not even 0 layers fit: answer -1.")
    widest = _("The widest cone counts: its qubit is measured too.")
    small = [amplitudes for amplitudes in values if amplitudes <= 2**17]
    for kind, likely, hint in (
        ("minus-one", lambda a: max(0, _affordable(a)), none),
        ("minus-one", lambda a: (a.bit_length() - 5) // 2, none),
        (
            "embedding",
            lambda a: (a.bit_length() - 1) // 2,
            _(
                "The CNOT layers of encoder and decoder widen the cone too: ask the circuit for "
                "its `light_cone_widths`."
            ),
        ),
        (
            "qubits",
            lambda a: (a - 4) // 2,
            _("A state of w qubits has 2**w amplitudes, not w."),
        ),
        (
            "limit",
            lambda a: _affordable(a - 1),
            _("A state of just so many amplitudes is allowed."),
        ),
        ("too-wide", lambda a: _affordable(a) + 1, _("All your answers are one layer too many.")),
        ("too-narrow", lambda a: _affordable(a) - 1, _("All your answers are one layer too few.")),
        ("one-cone", lambda a: _affordable(a, min), widest),
        ("one-cone", lambda a: _affordable(a, statistics.median), widest),
        ("one-cone", lambda a: _affordable(a, statistics.mean), widest),
        (
            "stops",
            lambda a: min(_affordable(a), most),
            _("You never answer more than {most:g}: does your search end there?").format(most=most),
        ),
    ):
        for part in (small, list(values)):
            agree = all(values[a] == likely(a) for a in part)
            if agree and any(values[a] != expected[a] for a in part):
                return Wrong(kind, f"{said} {hint}")
    layers = got if got > right else right  # one that does not fit, or the last that does
    if layers == round(layers) and layers < 100:
        said += " " + _("With {layers:g} layers the widest cone has {width} qubits.").format(
            layers=layers, width=max(_widths(int(layers)))
        )
    return Wrong("value", said)


@functools.cache
def _widths(layers: int) -> tuple[int, ...]:
    return Circuit(50, 100, space_layers=layers).light_cone_widths


def _affordable(amplitudes: int, width: Callable[[Any], float] = max) -> int:
    """Layers whose states are not too large, by the widest cone or another of their widths."""
    layers = -1
    while 2 ** width(_widths(layers + 1)) <= amplitudes:
        layers += 1
    return layers
