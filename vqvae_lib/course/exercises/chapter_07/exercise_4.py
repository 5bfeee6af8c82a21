"""Exercise 7.4: find how many layers a given memory allows."""

import functools
import statistics
from collections.abc import Callable
from typing import Any

from vqvae_lib.course.exercises.answers import call, expect_number
from vqvae_lib.course.exercises.verdicts import Right, Wrong
from vqvae_lib.course.words import _
from vqvae_lib.quantum import Circuit


def check(affordable: Any) -> Right:
    """A function `affordable(amplitudes)` that returns a number of layers."""
    # Some fit exactly, some lack one amplitude, up to what 50 qubits allow. 2^48 lacks a million,
    # since in floating point log2 of 2^48 - 1 is 48.
    large_memories = [2**40, 2**48 - 10**6, 2**48, 2**49]
    memories = [2**10, 2**16, 10**6, 2**13 - 1, 64, 63, 16, 15, 1, 3, 2**17, *large_memories]
    values = {
        amplitudes: expect_number(call(affordable, amplitudes), what=f"affordable({amplitudes})")
        for amplitudes in memories
    }
    expected = {amplitudes: _solve(amplitudes) for amplitudes in memories}
    if values != expected:
        raise _explain_depths(values, expected)
    return Right(
        _(
            "Each layer widens a cone by two qubits and makes its states four times as large, "
            "whereas more qubits only mean more cones. Depth is what is hard."
        )
    )


def _explain_depths(values: dict[int, float], expected: dict[int, int]) -> Wrong:
    """What to say about wrong depths: the mistake that explains all of them, or all small ones."""
    first = next(amplitudes for amplitudes in values if values[amplitudes] != expected[amplitudes])
    got, right = values[first], expected[first]
    text = _("For {amplitudes} amplitudes: expected {expected}, got {got:g}.").format(
        amplitudes=first, expected=right, got=got
    )
    most = max(values.values())
    none = _("If not even 0 layers fit, answer -1.")
    widest = _("The widest cone counts, because its qubit is measured too.")
    small_memories = [amplitudes for amplitudes in values if amplitudes <= 2**17]
    for kind, mistaken, hint in (
        ("minus-one", lambda a: max(0, _solve(a)), none),
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
            lambda a: _solve(a - 1),
            _("A state of exactly that many amplitudes is allowed."),
        ),
        ("too-wide", lambda a: _solve(a) + 1, _("All your answers are one layer too many.")),
        ("too-narrow", lambda a: _solve(a) - 1, _("All your answers are one layer too few.")),
        ("one-cone", lambda a: _solve(a, min), widest),
        ("one-cone", lambda a: _solve(a, statistics.median), widest),
        ("one-cone", lambda a: _solve(a, statistics.mean), widest),
        (
            "stops",
            lambda a: min(_solve(a), most),
            _("You never answer more than {most:g}: does your search end there?").format(most=most),
        ),
    ):
        for part in (small_memories, list(values)):
            agree = all(values[a] == mistaken(a) for a in part)
            if agree and any(values[a] != expected[a] for a in part):
                return Wrong(kind, f"{text} {hint}")
    layers = got if got > right else right  # one that does not fit, or the last that does
    if layers == round(layers) and layers < 100:
        text += " " + _("With {layers:g} layers the widest cone has {width} qubits.").format(
            layers=layers, width=max(_cone_widths(int(layers)))
        )
    return Wrong("value", text)


@functools.cache
def _cone_widths(layers: int) -> tuple[int, ...]:
    return Circuit(50, space_layers=layers).light_cone_widths


def _solve(amplitudes: int, width: Callable[[Any], float] = max) -> int:
    """Most layers whose states fit, judged by the widest cone or by another of their widths."""
    layers = -1
    while 2 ** width(_cone_widths(layers + 1)) <= amplitudes:
        layers += 1
    return layers
